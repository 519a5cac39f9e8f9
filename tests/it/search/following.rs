//! The index follows its store: killed at any moment it goes on exactly, and it says what the read model says.

use std::path::Path;
use std::time::Duration;

use event_schemas::Context;
use platform::progress::Progress;
use search::checkpoint::Foreign;
use search::follower::{self, Slot};
use search::following::Following;
use search::product::Kept;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::{ETA_MAX, Program, World, empty_database, until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::catalogue::{id, sell, step};
use super::{found, mug};
use crate::EXE;

/// How many products change while the index is killed again and again.
const PRODUCTS: u32 = 40;

/// A follower beside the one of the app, which is killed by aborting it.
fn follow(world: &World, folder: &Path) -> (Slot, JoinHandle<anyhow::Result<()>>) {
    let config = follower::Config {
        folder: folder.to_owned(),
        store: world.app.spine.stores[&Context::Products].reader(),
        progress: Progress::default(),
        check: None,
        alone: true,
    };
    let slot = Slot::default();
    (slot.clone(), tokio::spawn(follower::run(config, slot, CancellationToken::new())))
}

/// What the index in a folder says, brought up to the end of the store.
async fn everything(world: &World, folder: &Path) -> Vec<Value> {
    let reader = world.app.spine.stores[&Context::Products].reader();
    let head = reader.head().await.unwrap();
    let (mut index, _) = Following::open(folder, &head, None).unwrap();
    index.take(&reader.after(index.at().position, i64::MAX).await.unwrap()).unwrap();
    index.commit().unwrap();
    let shown = |kept: &Kept| {
        let Kept::Product(product) = kept else { panic!("nothing is set aside: {kept:?}") };
        json!({"product": product.product, "seller": product.seller, "state": product.state, "title": product.title,
               "description": product.description, "amount_minor": product.price.amount_minor,
               "currency": product.price.currency, "categories": product.categories, "variants": product.variants,
               "drafted_at": product.drafted_at})
    };
    index.index().everything().unwrap().values().map(shown).collect()
}

async fn read_model(world: &World) -> Vec<Value> {
    let views = PgPool::connect(world.database.url()).await.unwrap();
    let sql = "select json_build_object('product', product, 'seller', seller, 'state', state, 'title', title,
                      'description', description, 'amount_minor', amount_minor, 'currency', currency,
                      'categories', categories, 'variants', variants,
                      'drafted_at', to_char(drafted_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))
                 from read.products order by product";
    sqlx::query_scalar(sql).fetch_all(&views).await.unwrap()
}

#[tokio::test]
async fn an_index_that_is_killed_again_and_again_says_what_a_fresh_one_and_the_read_model_say() {
    let world = World::start().await;
    let (folder, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut token = String::new();
    let (mut slot, mut running) = follow(&world, folder.path());
    for number in 1..=PRODUCTS {
        sell(&world.app, &mug(number)).await;
        token = match number % 4 {
            0 => step(&world.app, &id(number), "archive").await,
            1 => step(&world.app, &id(number), "unlist").await,
            _ => sell(&world.app, &mug(number + 1_000)).await,
        }
        .header("consistency-token")
        .to_owned();
        if number % 10 == 0 {
            // Wherever it is: reading, adding or committing.
            running.abort();
            _ = running.await;
            (slot, running) = follow(&world, folder.path());
        }
    }
    let on_sale = i64::from(PRODUCTS);
    until("it is whole again", ETA_MAX, async || slot.get().is_some()).await;
    running.abort();
    _ = running.await;
    drop(slot);
    _ = world.app.get_after("/v1/products?limit=1", &token).await.ok();
    // Work that was begun when it was killed may hold the index for a moment longer.
    until("nobody writes it any more", ETA_MAX, async || {
        let head = world.app.spine.stores[&Context::Products].reader().head().await.unwrap();
        Following::open(folder.path(), &head, None).is_ok_and(|(_, anew)| anew.is_none())
    })
    .await;
    let said = everything(&world, folder.path()).await;
    assert_eq!(said.len(), usize::try_from(on_sale + on_sale / 2).unwrap());
    assert_eq!(said, everything(&world, fresh.path()).await, "a fresh index says the same");
    assert_eq!(said, read_model(&world).await, "the read model says the same");
    world.app.stop().await;
}

#[tokio::test]
async fn a_store_that_lost_its_newest_events_is_indexed_anew() {
    let world = World::start().await;
    sell(&world.app, &mug(1)).await;
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(everything(&world, folder.path()).await.len(), 1);
    let reader = world.app.spine.stores[&Context::Products].reader();
    let mut head = reader.head().await.unwrap();
    head.history = envelope::History(uuid::Uuid::new_v4());
    assert_eq!(Following::open(folder.path(), &head, None).unwrap().1, Some(Foreign::OtherStore));
    // What was begun anew and never committed is the old one still.
    assert_eq!(everything(&world, folder.path()).await.len(), 1);
    world.app.stop().await;
}

/// Everything that is found, by title.
async fn titles(program: &Program) -> Vec<String> {
    let page = program.get("/v1/search/products?q=mug&limit=100").await;
    let mut titles: Vec<_> =
        page["data"].as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap().to_owned()).collect();
    titles.sort_unstable();
    assert_eq!(page["total"], json!(found(&page).len()));
    titles
}

#[tokio::test]
async fn a_killed_program_finds_everything_again_and_nothing_twice() {
    let database = empty_database().await;
    let mut program = Program::new(EXE, &[], &[("DATABASE_URL", database.url())]);
    let mut expected = Vec::new();
    for round in 0..3 {
        program.up().await;
        let http = reqwest::Client::new();
        for number in round * 10 + 1..=round * 10 + 10 {
            let url = format!("{}/v1/products", program.running().url);
            let ask = |path: &str| http.post(format!("{url}{path}")).header("handsel-caller", "tester");
            let drafted = ask("").header("idempotency-key", format!("\"{number}\"")).json(&mug(number));
            assert_eq!(drafted.send().await.unwrap().status(), 201);
            for what in ["propose", "approve"] {
                assert_eq!(ask(&format!("/{}/{what}", id(number))).send().await.unwrap().status(), 204);
            }
            expected.push(format!("Mug number {number}"));
        }
        expected.sort_unstable();
        if round > 0 {
            until("all are found", Duration::from_secs(60), async || titles(&program).await == expected).await;
        }
        program.kill().await;
    }
    program.up().await;
    until("all are found", Duration::from_secs(60), async || titles(&program).await == expected).await;
    assert!(program.terminate().await.success());
}
