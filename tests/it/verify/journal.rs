//! What the verifier says when a client was told otherwise than the stores say.

use event_schemas::Context;
use verifier::{Acknowledged, Options, Report};

use super::all::{Shop, account, assert_violated, tamper};

/// The journal, changed, against the stores as they are.
async fn against(shop: &Shop, change: impl FnOnce(&mut Vec<Acknowledged>)) -> Report {
    let mut journal = shop.journal.clone();
    change(&mut journal);
    let options = Options { acknowledged: Some(shop.written(&journal)), ..Options::default() };
    shop.verify(&["I1"], options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_was_told_and_the_stores_do_not_have_is_named() {
    let shop = Shop::open().await;
    let report = against(&shop, |_| {}).await;
    assert!(report.holds, "{report}");
    let first = shop.journal[0].aggregate.clone();
    let line = |journal: &[Acknowledged]| Acknowledged { key: Some("another".to_owned()), ..journal[0].clone() };

    let nowhere = account(77);
    let report = against(&shop, |journal| {
        let made_up = Acknowledged { aggregate: nowhere.clone(), ..line(journal) };
        journal.push(made_up);
    })
    .await;
    assert_violated(&report, "I1", &format!("`{nowhere}` version 1, answered 201 to key `another`"));

    let report = against(&shop, |journal| journal[0].version = 2).await;
    assert_violated(&report, "I1", &format!("`{first}` version 2"));
    assert_violated(&report, "I7", "its key now answers version 1");

    let report = against(&shop, |journal| journal[0].events = vec!["OrderShipped".to_owned()]).await;
    assert_violated(&report, "I1", "event 1 should be OrderShipped and is OrderImported");

    let report = against(&shop, |journal| journal.push(line(journal))).await;
    assert_violated(&report, "I1", "event 1 was also the effect of");
    assert_violated(&report, "I7", "the ledger has no answer to the key");

    let report = against(&shop, |journal| journal[0].status = 200).await;
    assert_violated(&report, "I7", "its key now answers that the request made it");
    shop.world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stores_have_and_nobody_was_told_is_named_where_the_journal_is_complete() {
    let shop = Shop::open().await;
    let report = against(&shop, |journal| _ = journal.remove(0)).await;
    assert_violated(&report, "I1", "orders: 1 events are of aggregates that the journal does not name");
    let renamed = account(0);
    let report = against(&shop, |journal| _ = journal.pop()).await;
    assert_violated(&report, "I1", &format!("identity: `{renamed}` has 105 events, and the journal accounts for 104"));

    // Of unknown outcome: it may be there, and it may not.
    let unknown = |line: &Acknowledged| Acknowledged { status: 0, version: 0, ..line.clone() };
    let report = against(&shop, |journal| {
        let last = unknown(journal.last().unwrap());
        *journal.last_mut().unwrap() = last;
        journal[0] = Acknowledged { aggregate: String::new(), ..unknown(&journal[0]) };
        let never = Acknowledged { aggregate: account(78), key: Some("never".to_owned()), ..unknown(&journal[1]) };
        journal.push(never);
    })
    .await;
    assert!(report.holds, "{report}");

    // At most once: the same event twice in one aggregate, where the journal knows of one.
    let stopped_at = shop.journal[4].aggregate.clone();
    let twice = format!(
        "insert into es_orders.events select 13, aggregate_type, aggregate_id, 2, gen_random_uuid(), event_type,
                event_version, payload, metadata, recorded_at, chain from es_orders.events
          where aggregate_id = '{stopped_at}'"
    );
    tamper(&shop.sql().await, &twice).await;
    let report = against(&shop, |_| {}).await;
    assert_violated(&report, "I1", &format!("orders: `{stopped_at}` has 2 events, and the journal accounts for 1"));
    shop.world.app.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_whose_writer_died_in_its_last_line_is_read_up_to_there() {
    let shop = Shop::open().await;
    let file = shop.written(&shop.journal).file;
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n{{\"context\":\"ord")).unwrap();
    let lines = verifier::acknowledged::read(&file).unwrap();
    assert_eq!(lines, shop.journal);
    assert_eq!(lines[0].context, Context::Orders);
    std::fs::write(&file, format!("{{\"context\":\"ord\n{text}")).unwrap();
    let error = format!("{:#}", verifier::acknowledged::read(&file).unwrap_err());
    assert!(error.contains("line 1"), "{error}");
    shop.world.app.stop().await;
}
