//! What the verifier says when facts, snapshots, checkpoints or the topic are not what they should be.

use super::all::{Shop, account, assert_violated, tamper};

const EVENTS: &str = "es_orders.events";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_gone_or_changed_is_named_by_its_position() {
    let stopped = Shop::open().await.stop().await;
    tamper(&stopped.sql, &format!("create table kept as select * from {EVENTS}")).await;
    let restore = format!("delete from {EVENTS}; insert into {EVENTS} select * from kept");
    for (tampering, invariants, place) in [
        (
            format!("delete from {EVENTS} where position = 5"),
            ["I3", "I5"],
            "position 5: the events of positions 5 to 5 are missing",
        ),
        (format!("delete from {EVENTS} where position = 5"), ["I12", "I11"], "018"),
        (
            format!(
                "update {EVENTS} set payload = replace(payload::text, '\"units\":5', '\"units\":6')::json
                  where position = 5"
            ),
            ["I5", "I12"],
            "",
        ),
        (format!("update {EVENTS} set sequence = 2 where position = 7"), ["I2", "I5"], "position 7"),
        (
            format!("update {EVENTS} set recorded_at = recorded_at - interval '1 hour' where position = 9"),
            ["I3", "I5"],
            "position 9: it was recorded before its predecessor",
        ),
    ] {
        tamper(&stopped.sql, &tampering).await;
        let report = stopped.verify(&invariants).await;
        for invariant in invariants {
            assert_violated(&report, invariant, if invariant == "I12" { "" } else { place });
        }
        tamper(&stopped.sql, &restore).await;
    }
    let report = stopped.verify(&["I2", "I12"]).await;
    assert!(report.holds, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_is_off_or_gone_is_noticed_for_what_it_lets_pass() {
    let stopped = Shop::open().await.stop().await;
    let report = stopped.verify(&["I4"]).await;
    assert!(report.holds, "{report}");
    tamper(&stopped.sql, &format!("alter table {EVENTS} disable trigger events_are_facts")).await;
    let report = stopped.verify(&["I4"]).await;
    for name in ["update", "delete", "truncate"] {
        assert_violated(&report, "I4", &format!("es_orders.events: no trigger that is enabled refuses {name}"));
    }
    // One that is there and does nothing is not enough.
    tamper(&stopped.sql, &format!("alter table {EVENTS} enable trigger events_are_facts")).await;
    let idle = "create or replace function es_orders.refuse_change() returns trigger language plpgsql as
                $$ begin return null; end $$";
    tamper(&stopped.sql, idle).await;
    let report = stopped.verify(&["I4"]).await;
    assert_violated(&report, "I4", "`truncate events` was carried out, and rolled back");
    let events: i64 =
        sqlx::query_scalar("select count(*) from es_orders.events").fetch_one(&stopped.sql).await.unwrap();
    assert_eq!(events, 12, "it was only tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_not_the_fold_of_its_events_is_named() {
    let stopped = Shop::open().await.stop().await;
    let renamed = account(0);
    let report = stopped.verify(&["I6"]).await;
    assert!(report.holds, "{report}");
    tamper(&stopped.sql, "create table kept as select * from es_identity.snapshots").await;
    let off_by_one = "update es_identity.snapshots s set sequence = e.sequence, event_id = e.event_id
        from es_identity.events e where e.aggregate_id = s.aggregate_id and e.sequence = s.sequence - 1";
    let other_sequence = "update es_identity.snapshots set sequence = sequence + 1";
    let other_name = "update es_identity.snapshots set state = replace(state::text, 'name', 'nane')::json";
    for tampering in [off_by_one, other_sequence, other_name] {
        tamper(&stopped.sql, tampering).await;
        assert_violated(&stopped.verify(&["I6"]).await, "I6", &format!("account `{renamed}` at"));
        let restore = "delete from es_identity.snapshots; insert into es_identity.snapshots select * from kept";
        tamper(&stopped.sql, restore).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_events_are_not_there_or_not_its_own_is_named() {
    let stopped = Shop::open().await.stop().await;
    let report = stopped.verify(&["I7"]).await;
    assert!(report.holds, "{report}");
    tamper(&stopped.sql, "update es_orders.commands set position = 99 where idempotency_key = 'order-3'").await;
    assert_violated(&stopped.verify(&["I7"]).await, "I7", "key `order-3` of `tester`: its answer rests on position 99");
    tamper(
        &stopped.sql,
        "update es_orders.commands c set answer = o.answer, position = o.position from es_orders.commands o
          where c.idempotency_key = 'order-3' and o.idempotency_key = 'order-4'",
    )
    .await;
    assert_violated(&stopped.verify(&["I7"]).await, "I7", "is also the effect of answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_does_not_fit_its_store_is_named() {
    let stopped = Shop::open().await.stop().await;
    let report = stopped.verify(&["I10"]).await;
    assert!(report.holds, "{report}");
    tamper(&stopped.sql, "create table kept as select * from read.checkpoints").await;
    tamper(&stopped.sql, "create table relayed as select * from es_orders.relay").await;
    let orders = "projection = 'orders' and partition = 3";
    for (tampering, place) in [
        (format!("update read.checkpoints set position = 99 where {orders}"), "orders: orders, place 3, position 99"),
        (format!("update read.checkpoints set history = gen_random_uuid() where {orders}"), "it is of history"),
        (
            "update read.checkpoints set event_id = gen_random_uuid() where projection = 'audit_log'".to_owned(),
            "audit_log: orders, place -1",
        ),
        (format!("delete from read.checkpoints where {orders}"), "orders: orders, place 3: it has no checkpoint"),
        ("update es_orders.relay set checkpoint = 99".to_owned(), "orders: relay: its checkpoint is 99"),
        ("update es_orders.relay set last_position[2] = 99".to_owned(), "orders: relay, partition 1: it stands at 99"),
        (
            "update es_orders.relay set last_position = array_fill(0::bigint, array[6])".to_owned(),
            "is acknowledged, and it stands at 0",
        ),
    ] {
        tamper(&stopped.sql, &tampering).await;
        assert_violated(&stopped.verify(&["I10"]).await, "I10", place);
        let restore = "delete from read.checkpoints; insert into read.checkpoints select * from kept;
                       delete from es_orders.relay; insert into es_orders.relay select * from relayed";
        tamper(&stopped.sql, restore).await;
    }
    let report = stopped.verify(&["I10"]).await;
    assert!(report.holds, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_published_is_missed_once_the_system_is_quiet() {
    let shop = Shop::open().await;
    let report = shop.verify(&["I9"], shop.options()).await;
    assert!(report.holds, "{report}");
    let stopped = shop.stop().await;
    let sql = "insert into es_orders.events select 13, aggregate_type, 'x', 1, gen_random_uuid(), event_type,
                      event_version, payload, metadata, recorded_at, chain from es_orders.events where position = 12";
    tamper(&stopped.sql, sql).await;
    let subject = handsel::commands::verify::subject(
        &stopped.instance,
        verifier::Options { quiesced: true, settle_max: std::time::Duration::ZERO, ..Default::default() },
    );
    let report = verifier::verify_all(&subject.await.unwrap()).await;
    assert_violated(&report, "I9", "orders: the relay stands at 12 of 13");
    assert_violated(&report, "I8", "1 events after position 12 are not acknowledged");
    drop(stopped.database);
}
