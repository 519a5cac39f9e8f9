//! Causes that lie in what is stored: keys, lost events, a broken chain, times, old answers.

use tests::{Program, database};

use super::{EXE, append, ask, ask_of, plant, session};

#[tokio::test]
async fn another_master_key_is_named() {
    let database = database().await;
    plant(&database, "insert into keys.master_key (fingerprint) values (sha256('of another key'))").await;
    let env = [("DATABASE_URL", database.url()), ("HANDSEL_MASTER_KEY", &"5a".repeat(32))];
    ask(&Program::new(EXE, &[], &env), &[]).await.names("keys.other-master");
    assert!(ask_of(&database, &[]).await.not_looked_at("keys"), "without a key nobody can tell");
}

#[tokio::test]
async fn keys_that_events_name_and_nobody_has_are_named() {
    let (database, key) = (database().await, "018f4e7a-0000-7000-8000-00000000000b");
    let sealed = format!(r#"{{"name":{{"key":"{key}","sealed":"","mac":""}}}}"#);
    append(&database, "es_identity", &sealed, "clock_timestamp()").await;
    assert!(ask_of(&database, &[]).await.names("keys.missing").contains(key));
    plant(
        &database,
        &format!("insert into keys.subject_keys (subject, key_id, erased_at) values ('a', '{key}', now())"),
    )
    .await;
    assert!(!ask_of(&database, &[]).await.codes().contains(&"keys.missing"), "who was erased left a trace");
}

#[tokio::test]
async fn a_store_that_the_relay_has_overtaken_lost_events() {
    let database = database().await;
    plant(&database, "update es_orders.relay set checkpoint = 7").await;
    let said = ask_of(&database, &[]).await;
    let seen = said.names("lost.events");
    assert!(seen.contains("up to position 7") && seen.contains("the store ends at 0"), "{seen}");
    assert!(said.seen.to_string().contains("handsel recover orders"));

    plant(&database, "update es_orders.relay set checkpoint = 0, history = gen_random_uuid()").await;
    assert!(ask_of(&database, &[]).await.names("lost.events").contains("history"));
}

#[tokio::test]
async fn a_store_of_which_a_read_model_knows_another_event_lost_events() {
    let database = database().await;
    append(&database, "es_orders", "{}", "clock_timestamp()").await;
    let checkpoint = |position: i64, history: &str| {
        format!(
            "insert into read.checkpoints (projection, generation, context, partition, history, position, event_id)
             select 'orders', generation, 'orders', 0, {history}, {position}, gen_random_uuid()
               from read.generations, es_orders.store where projection = 'orders'
             on conflict (projection, generation, context, partition)
             do update set position = excluded.position, event_id = excluded.event_id, history = excluded.history"
        )
    };
    plant(&database, &checkpoint(1, "history")).await;
    assert!(ask_of(&database, &[]).await.names("lost.events").contains("is another one"));
    plant(&database, &checkpoint(9, "history")).await;
    assert!(ask_of(&database, &[]).await.names("lost.events").contains("is gone"));
    plant(&database, &checkpoint(1, "gen_random_uuid()")).await;
    ask_of(&database, &[]).await.names("lost.read-model-of-another-history");
}

#[tokio::test]
async fn an_event_that_was_changed_is_named_among_the_newest() {
    let database = database().await;
    for _ in 0..5 {
        append(&database, "es_orders", "{}", "clock_timestamp()").await;
    }
    assert!(!ask_of(&database, &[]).await.codes().contains(&"chain.broken"));
    let change = "alter table es_orders.events disable trigger all;
                  update es_orders.events set payload = '{\"changed\":true}' where position = 4";
    plant(&database, change).await;
    assert!(ask_of(&database, &[]).await.names("chain.broken").contains("position 4 of `orders`"));
    let fewer = ask_of(&database, &["--chain-events", "1"]).await;
    assert!(!fewer.codes().contains(&"chain.broken"), "only so many are looked at: {:#}", fewer.seen);
    plant(&database, "delete from es_orders.events where position = 3").await;
    assert!(ask_of(&database, &[]).await.names("chain.broken").contains("events are missing"));
}

#[tokio::test]
async fn an_event_from_the_future_is_named() {
    let database = database().await;
    append(&database, "es_orders", "{}", "clock_timestamp() + interval '1 hour'").await;
    assert!(ask_of(&database, &[]).await.names("clock.events-from-the-future").contains("of `orders`"));
}

#[tokio::test]
async fn answers_that_nobody_deletes_are_named_where_somebody_should() {
    let database = database().await;
    plant(
        &database,
        "insert into es_orders.commands (caller, idempotency_key, fingerprint, answer, position, recorded_at)
         values ('a', 'k', '', '{}', 0, now() - interval '3 days')",
    )
    .await;
    assert!(!ask_of(&database, &[]).await.codes().contains(&"ledger.not-swept"), "nothing runs that would sweep");
    let _appender = session(&database, "orders appender").await;
    assert!(ask_of(&database, &[]).await.names("ledger.not-swept").contains("`orders`"));
}
