//! Causes that lie in the work: nobody publishes, nobody follows, something was left out.

use sqlx::Executor as _;
use tests::{TestDatabase, database};

use super::{append, ask_of, plant, session};

#[tokio::test]
async fn events_that_wait_without_a_leader_and_a_leader_that_is_far_behind_are_named() {
    let database = database().await;
    append(&database, "es_orders", "{}", "clock_timestamp()").await;
    let idle = ask_of(&database, &[]).await;
    assert!(!idle.codes().contains(&"relay.no-leader"), "nothing runs: {:#}", idle.seen);
    let _appender = session(&database, "orders appender").await;
    assert!(ask_of(&database, &[]).await.names("relay.no-leader").contains("1 events of `orders` wait"));

    let mut relay = session(&database, "orders relay").await;
    let key = "('x' || encode(substr(sha256('relay of es_orders'), 1, 8), 'hex'))::bit(64)::bigint";
    relay.execute(format!("select pg_advisory_lock({key})").as_str()).await.unwrap();
    let led = ask_of(&database, &["--relay-lag-max-events", "0"]).await;
    assert!(!led.codes().contains(&"relay.no-leader"), "{:#}", led.seen);
    assert!(led.names("relay.far-behind").contains("1 events of `orders` wait"));
    assert!(!ask_of(&database, &[]).await.codes().contains(&"relay.far-behind"), "it is one, and young");
    plant(&database, "alter table es_orders.events disable trigger all").await;
    plant(&database, "update es_orders.events set recorded_at = now() - interval '1 hour'").await;
    let stalled = ask_of(&database, &[]).await;
    assert!(stalled.names("relay.far-behind").contains("the oldest for 36"), "{:#}", stalled.seen);
}

#[tokio::test]
async fn read_models_that_nobody_follows_are_named_where_other_roles_run() {
    let database = database().await;
    assert!(!ask_of(&database, &[]).await.codes().contains(&"read-models.nobody-follows"), "nothing runs");
    let _views = session(&database, "handsel views").await;
    assert!(ask_of(&database, &[]).await.names("read-models.nobody-follows").contains("has had no follower"));
}

#[tokio::test]
async fn a_read_model_that_is_far_behind_or_stopped_is_named_with_the_reason() {
    let database = database().await;
    beat(&database, "following", 4711).await;
    let seen = ask_of(&database, &[]).await;
    assert!(seen.names("read-models.far-behind").contains("`orders` lacks 17 events, the oldest is 4711 s old"));
    assert!(!seen.codes().contains(&"read-models.stopped"));
    let _views = session(&database, "handsel views").await;
    beat(&database, "the store lost events", 1).await;
    let seen = ask_of(&database, &[]).await;
    assert!(seen.names("read-models.stopped").contains("`orders` stopped: the store lost events"));
}

/// A follower that says so; in ten seconds it is forgotten.
async fn beat(database: &TestDatabase, state: &str, seconds: u32) {
    let beat = format!(
        "delete from read.heartbeats;
         insert into read.heartbeats (projection, process, partitions, state, lag_events, lag_seconds, beat_at)
         values ('orders', gen_random_uuid(), '{{}}', '{state}', 17, {seconds}, now() + interval '1 minute')"
    );
    plant(database, &beat).await;
}

#[tokio::test]
async fn parked_events_are_counted_and_the_oldest_is_named() {
    let database = database().await;
    plant(
        &database,
        "insert into read.parked (projection, generation, context, position, aggregate_type, aggregate_id, event_id,
                                  event_type, reason, parked_at)
         select 'orders', generation, 'orders', n, 'order', 'a', gen_random_uuid(), 'OrderPainted', 'no such colour',
                now() - make_interval(hours => n)
           from read.generations, generate_series(1, 3) n where projection = 'orders' and state = 'live'",
    )
    .await;
    let said = ask_of(&database, &[]).await;
    let seen = said.names("read-models.parked");
    assert!(seen.contains("`orders` left out 3 events") && seen.contains("position 3 of `orders`"), "{seen}");
    assert!(seen.contains("no such colour") && said.seen.to_string().contains("handsel parked list orders"), "{seen}");
}

#[tokio::test]
async fn rows_of_another_version_of_the_code_are_named() {
    let database = database().await;
    plant(&database, "update read.generations set version = 99 where projection = 'orders'").await;
    assert!(ask_of(&database, &[]).await.names("read-models.other-version").contains("version 99"));
}

#[tokio::test]
async fn what_policies_asked_for_and_was_refused_is_named_and_timers_that_nobody_keeps() {
    let database = database().await;
    assert!(ask_of(&database, &[]).await.codes().iter().all(|code| !code.starts_with("policies.")));
    plant(
        &database,
        "insert into react.dispatches (policy, context, position, ordinal, event_id, cause, target_type, target_id,
                                       dispatch, parked)
         select 'order_fulfilment', 'orders', n, 0, gen_random_uuid(), '{}', 'order', 'a' || n, '{}', 'it was painted'
           from generate_series(1, 2) n",
    )
    .await;
    plant(
        &database,
        "insert into react.timers (policy, name, about, why, due, context, position, ordinal, event_id, cause,
                                   target_type, target_id, dispatch)
         values ('order_fulfilment', 'payment_due', 'order/a', '', now() - interval '1 hour', 'orders', 1, 1,
                 gen_random_uuid(), '{}', 'order', 'a', '{}')",
    )
    .await;
    let said = ask_of(&database, &[]).await;
    let seen = said.names("policies.parked");
    assert!(seen.contains("2 commands of policies were refused") && seen.contains("order a1"), "{seen}");
    assert!(seen.contains("it was painted") && said.seen.to_string().contains("handsel policies parked"), "{seen}");
    assert!(said.names("policies.overdue").contains("1 timers are overdue, the oldest by 36"), "{}", said.seen);
}

#[tokio::test]
async fn a_webhook_that_is_disabled_or_has_parked_deliveries_is_named() {
    let database = database().await;
    assert!(ask_of(&database, &[]).await.codes().iter().all(|code| !code.starts_with("webhooks.")));
    plant(
        &database,
        "insert into react.webhooks (webhook, url, description, contexts, types, secret, state, reason, created_by,
                                     fingerprint)
         values ('00000000-0000-7000-8000-000000000001', 'https://a.example/', '', '{}', '{}', '{}', 'disabled',
                 'the receiver answered 410 Gone', 'ana', ''),
                ('00000000-0000-7000-8000-000000000002', 'https://b.example/', '', '{}', '{}', '{}', 'active', null,
                 'ana', '')",
    )
    .await;
    plant(
        &database,
        "insert into react.webhook_deliveries (webhook, message, event_type, lane, body, state, error)
         select '00000000-0000-7000-8000-000000000002', 'msg_' || n, 'orders.order-placed', 'order/a', '{}', 'parked',
                'it answered 500' from generate_series(1, 2) n",
    )
    .await;
    let said = ask_of(&database, &[]).await;
    let seen = said.names("webhooks.disabled");
    assert!(seen.contains("https://a.example/") && seen.contains("410 Gone"), "{seen}");
    let seen = said.names("webhooks.parked");
    assert!(seen.contains("2 deliveries") && seen.contains("b.example") && seen.contains("it answered 500"), "{seen}");
}

#[tokio::test]
async fn mail_that_waits_for_a_person_or_for_its_server_is_named() {
    let database = database().await;
    assert!(ask_of(&database, &[]).await.codes().iter().all(|code| !code.starts_with("mails.")));
    plant(
        &database,
        "insert into react.mails (event_id, policy, context, position, letter, state, tries, why, due)
         values (gen_random_uuid(), 'order_mail', 'orders', 1, '{}', 'parked', 1, 'it said 550', null),
                (gen_random_uuid(), 'order_mail', 'orders', 2, '{}', 'due', 0, null, now() - interval '1 hour'),
                (gen_random_uuid(), 'order_mail', 'orders', 3, '{}', 'due', 5, 'it said 451', now() + interval '1 day'),
                (gen_random_uuid(), 'order_mail', 'orders', 4, '{}', 'due', 1, 'once', now() + interval '1 hour'),
                (gen_random_uuid(), 'order_mail', 'orders', 5, '{}', 'sent', 9, null, null)",
    )
    .await;
    let said = ask_of(&database, &[]).await;
    let seen = said.names("mails.parked");
    assert!(seen.contains("1 mails were refused") && seen.contains("it said 550"), "{seen}");
    assert!(said.seen.to_string().contains("handsel mails retry"), "{}", said.seen);
    assert!(said.names("mails.overdue").contains("1 mails are overdue, the oldest by 36"), "{}", said.seen);
    let seen = said.names("mails.not-taken");
    assert!(seen.contains("1 mails were tried 4 times or more; last: it said 451"), "{seen}");
}
