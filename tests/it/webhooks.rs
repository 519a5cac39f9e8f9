//! Webhooks as a receiver meets them: signed, in order for each aggregate, again until they are taken, and never sent
//! where they should not go.

mod again;
mod asking;
mod receiver;
mod trouble;

use std::collections::BTreeMap;

use reactors::webhooks::Targets;
use serde_json::json;
use tests::{ETA_MAX, until};

use crate::api::world::Api;
use receiver::{Delivering, Receiver, id, is_signed, register, rename, subscribe};

const ANYWHERE: Targets = Targets { private: true };

#[tokio::test(flavor = "multi_thread")]
async fn every_event_that_is_wanted_is_sent_once_signed_and_from_where_the_webhook_began() {
    let api = Api::without_policies().await;
    let (all, names) = (Receiver::taking().await, Receiver::taking().await);
    let before = register(&api, "Before").await;
    let made = subscribe(&api, "all", json!({"url": all.url, "from": "start"})).await;
    let secret = made.body["secret"].as_str().unwrap().to_owned();
    let wanted = json!({"url": names.url, "types": ["identity.account-renamed"], "aggregate": id(&before)});
    let named = subscribe(&api, "names", wanted).await;
    let _delivering = Delivering::start(&api, ANYWHERE);
    let other = register(&api, "Other").await;
    for version in 1..=3 {
        rename(&api, &before, version, &format!("Name {version}")).await;
        rename(&api, &other, version, &format!("Name {version}")).await;
    }
    let got = all.until(8).await;
    let mut by_account: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for one in &got {
        assert!(is_signed(one, &secret), "{one:?}");
        assert!(!is_signed(one, named.body["secret"].as_str().unwrap()), "each webhook has a secret of its own");
        let (_, account, sequence) = one.what();
        by_account.entry(account).or_default().push(sequence);
    }
    let expected = [&before, &other].map(|path| (id(path).to_owned(), vec![1, 2, 3, 4]));
    assert_eq!(by_account, expected.into());
    let first = &got.iter().find(|one| one.what().1 == id(&before)).unwrap();
    assert_eq!(first.body["type"], "identity.account-registered");
    assert_eq!(first.header("content-type"), "application/json");
    assert!(
        first.body["data"]["data"]["name"]["sealed"].is_string() && !first.text.contains("Before"),
        "{}",
        first.text
    );
    let named: Vec<_> = names.until(3).await.iter().map(|one| one.what().2).collect();
    assert_eq!(named, [2, 3, 4]);
    // The list says so too, newest first.
    let path = format!("{}/deliveries?limit=100", made.header("location"));
    until("all are noted as delivered", ETA_MAX, async || {
        let listed = api.get(&path, &[]).await.expect(200);
        let rows = listed.body["data"].as_array().unwrap();
        rows.len() == 8 && rows.iter().all(|row| row["state"] == "delivered" && row["status"] == 200)
    })
    .await;
    assert_eq!((all.got().len(), names.got().len()), (8, 3), "none came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_are_killed_again_and_again_lose_nothing_and_keep_the_order() {
    let api = Api::without_policies().await;
    let receiver = Receiver::taking().await;
    subscribe(&api, "all", json!({"url": receiver.url, "contexts": ["identity"]})).await;
    let mut accounts = Vec::new();
    for number in 0..4 {
        accounts.push(register(&api, &format!("account-{number}")).await);
    }
    for version in 1..=10 {
        let delivering = Delivering::start(&api, ANYWHERE);
        for account in &accounts {
            rename(&api, account, version, &format!("Name {version}")).await;
        }
        receiver.until(receiver.got().len() + 1).await;
        drop(delivering);
    }
    let _delivering = Delivering::start(&api, ANYWHERE);
    let last = |account: &str| receiver.got().iter().any(|one| one.what().1 == account && one.what().2 == 11);
    until("the last of each came", ETA_MAX, async || accounts.iter().all(|account| last(id(account)))).await;
    for account in &accounts {
        let mut seen = 0;
        let (mut ids, got) = (BTreeMap::new(), receiver.got());
        for one in got.iter().filter(|one| one.what().1 == id(account)) {
            let sequence = one.what().2;
            // What was sent and not noted as taken comes again, under the same id, and before what follows.
            assert!(sequence == seen + 1 || sequence == seen, "{sequence} after {seen}");
            seen = sequence;
            let id = one.header("webhook-id").to_owned();
            assert_eq!(ids.entry(sequence).or_insert_with(|| id.clone()), &id);
        }
        assert_eq!(seen, 11);
    }
}
