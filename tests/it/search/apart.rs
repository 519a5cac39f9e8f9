//! The role alone: what it needs, and what the query API says without it.

use envelope::{History, Position};
use event_schemas::Context;
use handsel::roles::Role;
use platform::token::ConsistencyToken;
use serde_json::json;
use tests::{Program, Service, TestApp, World, broker, database};
use uuid::Uuid;

use super::catalogue::{id, sell};
use super::{found, mug};
use crate::EXE;

/// Nobody listens there.
const AWAY: &str = "postgres://nobody@127.0.0.1:1/nothing";

#[tokio::test]
async fn two_of_them_answer_from_an_index_each_and_need_the_store_of_products_alone() {
    let world = World::start().await;
    let token = sell(&world.app, &mug(1)).await.header("consistency-token").to_owned();
    let env = [("DATABASE_URL", AWAY), ("HANDSEL_PRODUCTS_DATABASE_URL", world.database.url())];
    for _replica in 0..2 {
        let program = Program::new(EXE, &[], &env);
        let role = Service::start(&program, &["search", "--search-port", "0"]).await;
        assert!(!program.folder().join("master.key").exists(), "it opens nothing");
        let beside = Program::new(
            EXE,
            &[],
            &[
                ("DATABASE_URL", world.database.url()),
                ("HANDSEL_SEARCH_URL", &role.search_url),
                ("HANDSEL_MASTER_KEY", &"5a".repeat(32)),
            ],
        );
        let queries = Service::start(&beside, &["query-api"]).await;
        let asked = reqwest::Client::new().get(format!("{}/v1/search/products?q=mug", queries.url));
        let page = asked.header("consistency-token", &token).send().await.unwrap().json().await.unwrap();
        assert_eq!(found(&page), [id(1)], "{page}");
        assert!(queries.terminate().await.success());
        assert!(role.terminate().await.success());
    }
    world.app.stop().await;
}

#[tokio::test]
async fn without_it_searches_are_refused_for_a_while_and_everything_else_is_answered() {
    let (database, broker) = (database().await, broker().await);
    let app = TestApp::start(&database, &broker, &[Role::QueryApi]).await;
    for path in ["/v1/search/products?q=mug", "/v1/search/suggestions?q=mug"] {
        let refused = app.get(path).await;
        assert_eq!((refused.status, &refused.body["code"]), (503, &json!("search-unavailable")));
        assert_eq!(refused.header("retry-after"), "1");
    }
    assert_eq!(app.get("/v1/products").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn a_token_is_waited_for_and_one_of_another_history_is_answered_with_a_warning() {
    let world = World::start().await;
    sell(&world.app, &mug(1)).await;
    let key = world.app.spine.tokens().unwrap();
    let head = world.app.spine.stores[&Context::Products].reader().head().await.unwrap();
    let ahead = ConsistencyToken::of("products", head.history, &[(0, Position(head.position.get() + 1))]);
    let late = world.app.get_after("/v1/search/products?q=mug", &ahead.encode(key)).await;
    assert_eq!((late.status, &late.body["code"]), (503, &json!("not-yet-visible")));
    assert_eq!(late.header("retry-after"), "1");
    let foreign = ConsistencyToken::of("products", History(Uuid::new_v4()), &[(0, Position(1))]);
    let answer = world.app.get_after("/v1/search/products?q=mug", &foreign.encode(key)).await;
    assert!(answer.header("warning").starts_with("299 handsel"), "{answer:?}");
    assert_eq!(answer.status, 200);
    let elsewhere = ConsistencyToken::of("orders", History(Uuid::new_v4()), &[(0, Position(70))]);
    let answer = world.app.get_after("/v1/search/products?q=mug", &elsewhere.encode(key)).await;
    assert_eq!((answer.status, answer.header("warning")), (200, ""));
    world.app.stop().await;
}
