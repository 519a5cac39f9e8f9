//! Keys of subjects on real Postgres: made once, shared by all processes, destroyed for ever, carried elsewhere.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use envelope::{Sealed, SubjectKey};
use event_store::keys::{Imported, KeyRing, KeysError, MasterKey, WrappedKey};
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tests::{TestDatabase, empty_database};
use uuid::Uuid;

const MASTER: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn master() -> MasterKey {
    MasterKey::parse(MASTER).expect("it is 32 bytes")
}

async fn pool(database: &TestDatabase) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect(database.url()).await.expect("the server answers")
}

/// What another process would open on the same keys: nothing cached.
async fn ring(database: &TestDatabase) -> KeyRing {
    KeyRing::connect(pool(database).await, master()).await.expect("the schema is there")
}

async fn prepared() -> (TestDatabase, KeyRing) {
    let database = empty_database().await;
    KeyRing::migrate(database.url()).await.expect("an empty database can be migrated");
    let ring = ring(&database).await;
    (database, ring)
}

async fn key(ring: &KeyRing, subject: &str) -> SubjectKey {
    ring.key_of(subject).await.expect("the server answers").expect("the subject is not erased")
}

/// Id and secret, by which two keys are the same.
fn parts(key: &SubjectKey) -> (Uuid, [u8; 32]) {
    (key.id(), *key.secret())
}

async fn exported(ring: &KeyRing, transfer: &MasterKey) -> Vec<WrappedKey> {
    ring.export_all(transfer).try_collect().await.expect("every key opens")
}

#[tokio::test]
async fn a_key_is_made_once_and_every_process_finds_it() {
    let (database, here) = prepared().await;
    let there = ring(&database).await;
    let made = key(&here, "ana").await;
    assert_eq!(parts(&key(&here, "ana").await), parts(&made));
    assert_eq!(parts(&key(&there, "ana").await), parts(&made));
    assert_ne!(parts(&key(&there, "bob").await), parts(&made));

    let opened = ring(&database).await.open_many(&[made.id(), Uuid::now_v7()]).await.unwrap();
    assert_eq!(opened.values().map(parts).collect::<Vec<_>>(), [parts(&made)]);
}

#[tokio::test]
async fn what_lies_in_the_database_is_not_the_key() {
    let (database, ring) = prepared().await;
    let made = key(&ring, "ana").await;
    let wrapped: Vec<u8> = sqlx::query_scalar("select wrapped from keys.subject_keys where subject = 'ana'")
        .fetch_one(&pool(&database).await)
        .await
        .unwrap();
    assert_eq!(wrapped.len(), 24 + 32 + 16);
    assert!(!wrapped.windows(8).any(|part| made.secret().windows(8).any(|secret| secret == part)));
}

#[tokio::test]
async fn requests_that_arrive_together_are_few_transactions() {
    let (database, ring) = prepared().await;
    let subjects: Vec<String> = (0..500).map(|n| format!("subject {n}")).collect();
    let keys = join_all(subjects.iter().chain(&subjects).map(|subject| key(&ring, subject))).await;
    assert_eq!(keys.iter().map(parts).collect::<HashSet<_>>().len(), subjects.len());
    let (rows, transactions): (i64, i64) =
        sqlx::query_as("select count(*), count(distinct xmin::text) from keys.subject_keys")
            .fetch_one(&pool(&database).await)
            .await
            .unwrap();
    assert_eq!(rows, 500);
    assert!(transactions <= 10, "{transactions} transactions for 500 keys");
}

#[tokio::test]
async fn processes_that_make_the_same_keys_at_once_agree() {
    let (database, first) = prepared().await;
    let others = [ring(&database).await, ring(&database).await];
    let subjects: Vec<String> = (0..300).map(|n| format!("subject {n}")).collect();
    let forwards = join_all(subjects.iter().map(|subject| key(&first, subject)));
    let backwards = join_all(subjects.iter().rev().map(|subject| key(&others[0], subject)));
    let once_more = join_all(subjects.iter().map(|subject| key(&others[1], subject)));
    let (forwards, backwards, once_more) = tokio::join!(forwards, backwards, once_more);
    let by_subject = |keys: Vec<SubjectKey>| -> BTreeMap<String, (Uuid, [u8; 32])> {
        keys.iter().map(|key| (key.subject().to_owned(), parts(key))).collect()
    };
    let expected = by_subject(forwards);
    assert_eq!(by_subject(backwards), expected);
    assert_eq!(by_subject(once_more), expected);
}

#[tokio::test]
async fn an_erased_subject_never_gets_a_key_again() {
    let (database, here) = prepared().await;
    let made = key(&here, "ana").await;
    assert_eq!(here.erase("ana").await.unwrap(), Some(made.id()));
    assert!(here.key_of("ana").await.unwrap().is_none());
    assert!(here.open_many(&[made.id()]).await.unwrap().is_empty(), "no cache keeps it in this process");
    let sealed = here.sealed("ana", |seal| seal.seal("name", &"Ana".to_owned())).await.unwrap();
    assert_eq!(sealed, Sealed::erased());

    let there = ring(&database).await;
    assert!(there.key_of("ana").await.unwrap().is_none());
    assert_eq!(there.erase("ana").await.unwrap(), Some(made.id()), "asking again changes nothing");
    assert!(there.open_many(&[made.id()]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_subject_can_be_erased_before_it_has_a_key() {
    let (_database, ring) = prepared().await;
    assert_eq!(ring.erase("ana").await.unwrap(), None);
    assert!(ring.sealed("ana", |seal| seal.is_erased()).await.unwrap());
}

#[tokio::test]
async fn what_is_sealed_for_a_subject_opens_with_its_key() {
    let (_database, ring) = prepared().await;
    let (name, email) =
        ring.sealed("ana", |seal| (seal.seal("name", &"Ana"), seal.seal("email", &"a@b"))).await.unwrap();
    let ids: Vec<Uuid> = [name.key(), email.key()].into_iter().flatten().collect();
    let keys = ring.open_many(&ids).await.unwrap();
    let name: Sealed<String> = serde_json::from_value(serde_json::json!(name)).unwrap();
    assert_eq!(keys[&ids[0]].open("name", &name).as_deref(), Ok("Ana"));
}

#[tokio::test]
async fn another_master_key_is_noticed_at_the_start() {
    let (database, ring) = prepared().await;
    key(&ring, "ana").await;
    let other = KeyRing::connect(pool(&database).await, MasterKey::random()).await;
    assert!(matches!(other, Err(KeysError::OtherMaster)));
}

#[tokio::test]
async fn migrating_is_asked_for_and_can_be_done_by_many_at_once() {
    let database = empty_database().await;
    let early = KeyRing::connect(pool(&database).await, master()).await.err().expect("nothing was migrated");
    assert_eq!(early.to_string(), "there is no schema `keys` in this database; run `migrate` first");
    for migrated in join_all((0..4).map(|_| KeyRing::migrate(database.url()))).await {
        migrated.unwrap();
    }
    key(&ring(&database).await, "ana").await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (database, _ring) = prepared().await;
    sqlx::query("update keys._sqlx_migrations set version = 9999").execute(&pool(&database).await).await.unwrap();
    assert!(matches!(KeyRing::migrate(database.url()).await, Err(KeysError::NewerSchema(9999))));
}

#[tokio::test]
async fn keys_that_were_swapped_do_not_open() {
    let (database, here) = prepared().await;
    let (ana, bob) = (key(&here, "ana").await, key(&here, "bob").await);
    sqlx::query(
        "update keys.subject_keys as this set wrapped = that.wrapped
           from keys.subject_keys as that where that.subject <> this.subject",
    )
    .execute(&pool(&database).await)
    .await
    .unwrap();
    let there = ring(&database).await;
    assert!(matches!(there.key_of("ana").await, Err(KeysError::Damaged(id)) if id == ana.id()));
    assert!(matches!(there.open_many(&[bob.id()]).await, Err(KeysError::Damaged(id)) if id == bob.id()));
}

#[tokio::test]
async fn unfit_subjects_are_refused_and_harm_nobody() {
    let (_database, ring) = prepared().await;
    let long = "x".repeat(257);
    let (empty, nul, long, good) =
        tokio::join!(ring.key_of(""), ring.key_of("a\0b"), ring.key_of(&long), ring.key_of("ana"));
    for bad in [empty, nul, long] {
        assert!(matches!(bad, Err(KeysError::BadSubject)));
    }
    assert!(good.unwrap().is_some());
    assert!(matches!(ring.erase("").await, Err(KeysError::BadSubject)));
}

#[tokio::test]
async fn a_server_that_is_away_is_named_as_such() {
    let impatient = PgPoolOptions::new().acquire_timeout(Duration::from_millis(200));
    let nowhere = impatient.connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    assert!(matches!(KeyRing::connect(nowhere, master()).await, Err(KeysError::Unavailable(_))));
    let migrated = KeyRing::migrate("postgres://nobody@127.0.0.1:1/nothing").await;
    assert!(matches!(migrated, Err(KeysError::Unavailable(_))));
}

#[tokio::test]
async fn keys_and_erasures_are_carried_to_another_instance() {
    let (_database, from) = prepared().await;
    let ana = key(&from, "ana").await;
    from.erase("bob").await.unwrap();
    let transfer = MasterKey::random();
    let carried = exported(&from, &transfer).await;
    assert_eq!(carried.iter().map(|key| key.subject.as_str()).collect::<Vec<_>>(), ["ana", "bob"]);
    let carried: Vec<WrappedKey> = serde_json::from_str(&serde_json::to_string(&carried).unwrap()).unwrap();

    let empty = empty_database().await;
    KeyRing::migrate(empty.url()).await.unwrap();
    let to = KeyRing::connect(pool(&empty).await, MasterKey::random()).await.unwrap();
    assert!(matches!(to.import(&MasterKey::random(), &carried).await, Err(KeysError::NotOurs(who)) if who == "ana"));
    assert_eq!(to.import(&transfer, &carried).await.unwrap(), Imported { keys: 1, erased: 1 });
    assert_eq!(to.import(&transfer, &carried).await.unwrap(), Imported::default(), "again changes nothing");
    assert_eq!(parts(&key(&to, "ana").await), parts(&ana));
    assert!(to.key_of("bob").await.unwrap().is_none());
}

#[tokio::test]
async fn an_erasure_wins_over_a_key_on_whichever_side_it_happened() {
    let (_database, from) = prepared().await;
    let (_other, to) = prepared().await;
    let transfer = MasterKey::random();
    key(&from, "ana").await;
    key(&from, "bob").await;
    to.import(&transfer, &exported(&from, &transfer).await).await.unwrap();
    key(&to, "bob").await;
    to.erase("ana").await.unwrap();
    from.erase("bob").await.unwrap();
    let changed = to.import(&transfer, &exported(&from, &transfer).await).await.unwrap();
    assert_eq!(changed, Imported { keys: 0, erased: 1 });
    assert!(to.key_of("ana").await.unwrap().is_none());
    assert!(to.key_of("bob").await.unwrap().is_none(), "the cached key was dropped at once");
}

#[tokio::test]
async fn an_import_that_would_change_a_key_changes_nothing() {
    let (_database, from) = prepared().await;
    let (_other, to) = prepared().await;
    let transfer = MasterKey::random();
    key(&from, "ana").await;
    key(&from, "bob").await;
    key(&to, "bob").await;
    let refused = to.import(&transfer, &exported(&from, &transfer).await).await;
    assert!(matches!(refused, Err(KeysError::OtherKey { subject, .. }) if subject == "bob"));
    assert_eq!(to.export_all(&transfer).count().await, 1);
}
