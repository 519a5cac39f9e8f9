//! Secrets that are replaced while a receiver listens, and what it gets once more because it lost it.

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::{ETA_MAX, until};

use super::receiver::{Delivering, Got, Receiver, id, is_signed, register, rename, subscribe};
use super::{ANYWHERE, Api};

const ANA: &str = "Handsel-Caller: ana";
const OWN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Replaces the secret, and gives the new one.
async fn replace(api: &Api, hook: &str, wanted: Value) -> (String, Value) {
    let made = api.post(&format!("{hook}/secret"), &[ANA], &wanted).await.expect(200);
    (made.body["secret"].as_str().unwrap().to_owned(), made.body["replaced_until"].clone())
}

/// By how many secrets a message is signed.
fn signatures(got: &Got) -> usize {
    got.header("webhook-signature").split(' ').count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_replaced_and_whoever_still_has_the_old_one_misses_nothing() {
    let api = Api::without_policies().await;
    let receiver = Receiver::taking().await;
    let made = subscribe(&api, "a", json!({"url": receiver.url})).await;
    let (hook, first) = (made.header("location"), made.body["secret"].as_str().unwrap());
    let told_of = async |name: &str| {
        let account = register(&api, name).await;
        // Who begins to deliver reads what is in force now.
        let _delivering = Delivering::start(&api, ANYWHERE);
        let about = || receiver.got().into_iter().find(|got| got.what().1 == id(&account));
        until("it is told", ETA_MAX, async || about().is_some()).await;
        about().unwrap()
    };
    assert_eq!(signatures(&told_of("one").await), 1);

    let (second, until) = replace(&api, hook, json!({})).await;
    assert!(second != first && until.is_string(), "{until}");
    let both = told_of("two").await;
    assert!(is_signed(&both, first) && is_signed(&both, &second) && signatures(&both) == 2, "{both:?}");
    let (third, _) = replace(&api, hook, json!({"secret": OWN, "overlap_s": 60})).await;
    assert_eq!(third, OWN);
    let all = told_of("three").await;
    assert!([first, second.as_str(), OWN].iter().all(|secret| is_signed(&all, secret)), "{all:?}");
    let views = PgPool::connect(api.database.url()).await.unwrap();
    let stored: String = sqlx::query_scalar("select w::text from react.webhooks w").fetch_one(&views).await.unwrap();
    assert!(!stored.contains("whsec_"), "{stored}");

    replace(&api, hook, json!({})).await;
    let refused = api.post(&format!("{hook}/secret"), &[ANA], &json!({})).await.expect(409);
    assert_eq!(refused.body["code"], "too-many-secrets");
    let (last, until) = replace(&api, hook, json!({"overlap_s": 0})).await;
    assert_eq!(until, Value::Null);
    let one = told_of("four").await;
    assert!(is_signed(&one, &last) && signatures(&one) == 1, "nobody else's secret is good any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_secret_signs_until_its_time_and_deliveries_that_go_on_hear_of_it() {
    let api = Api::without_policies().await;
    let receiver = Receiver::taking().await;
    let made = subscribe(&api, "a", json!({"url": receiver.url})).await;
    let (hook, old) = (made.header("location"), made.body["secret"].as_str().unwrap());
    let _delivering = Delivering::start(&api, ANYWHERE);
    let account = register(&api, "Ana").await;
    receiver.until(1).await;
    let (new, _) = replace(&api, hook, json!({"overlap_s": 2})).await;
    let mut seen = Vec::new();
    until("only the new one signs", ETA_MAX, async || {
        let version = seen.len() + 1;
        rename(&api, &account, i64::try_from(version).unwrap(), &format!("Name {version}")).await;
        let got = receiver.until(version + 1).await.remove(version);
        seen.push((is_signed(&got, old), is_signed(&got, &new)));
        seen.last() == Some(&(false, true))
    })
    .await;
    assert!(seen.contains(&(true, true)), "both signed for a while: {seen:?}");
    assert!(!seen.contains(&(false, false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_after_a_place_comes_again_in_its_order_under_the_same_ids() {
    let api = Api::without_policies().await;
    let (account, other) = (register(&api, "Ana").await, register(&api, "Bob").await);
    let receiver = Receiver::taking().await;
    let hook = subscribe(&api, "a", json!({"url": receiver.url, "contexts": ["identity"], "from": "start"})).await;
    let replay = async |from: &str, status: u16| {
        let path = format!("{}/replay", hook.header("location"));
        api.post(&path, &[ANA], &json!({ "from": from })).await.expect(status).body
    };
    let _delivering = Delivering::start(&api, ANYWHERE);
    // Of what waits behind a failure nothing comes before what is sent again.
    let fails = id(&account).to_owned();
    receiver.answer(move |got| {
        if got.what().1 == fails && got.what().2 == 3 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
            .into_response()
    });
    for version in 1..=3 {
        rename(&api, &account, version, &format!("Name {version}")).await;
    }
    let path = format!("{}/deliveries", hook.header("location"));
    let states = async || {
        let listed = api.get(&path, &[]).await.expect(200);
        let all = listed.body["data"].as_array().unwrap().iter().rev().map(|one| one["state"].clone());
        all.collect::<Vec<_>>()
    };
    until("one is parked", ETA_MAX, async || {
        states().await == ["delivered", "delivered", "delivered", "parked", "waiting"]
    })
    .await;
    let before = receiver.got();
    receiver.answer(|_| ().into_response());
    assert_eq!(replay("identity=1", 202).await["places"], json!({"identity": 1}));
    until("all came again", ETA_MAX, async || states().await == ["delivered"; 4]).await;
    let again = receiver.got().split_off(before.len());
    let of = |who: &str, got: &[Got]| {
        let all = got.iter().filter(|got| got.what().1 == id(who));
        all.map(|got| (got.what().2, got.header("webhook-id").to_owned())).collect::<Vec<_>>()
    };
    let sequences: Vec<i64> = of(&account, &again).iter().map(|one| one.0).collect();
    assert_eq!((sequences, of(&other, &again).len()), (vec![2, 3, 4], 1));
    assert!(of(&account, &before).iter().filter(|one| one.0 > 1).all(|one| of(&account, &again).contains(one)));
    // From its beginning everything, and from where it is nothing.
    replay("start", 202).await;
    receiver.until(before.len() + again.len() + 5).await;
    replay("identity=5", 202).await;
    let next = register(&api, "Cid").await;
    let last = receiver.until(before.len() + again.len() + 6).await;
    assert_eq!(last.last().unwrap().what().1, id(&next));
    for (from, says) in [
        ("now", "comes again from `start`"),
        ("orders=0", "hears nothing of `orders`"),
        ("identity=99", "ends before 99"),
        ("identity", "it is `now`, `start`, or positions"),
    ] {
        let refused = replay(from, 422).await;
        assert_eq!(refused["errors"][0]["pointer"], "/from", "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains(says), "{refused}");
    }
}

#[tokio::test]
async fn what_cannot_be_replaced_or_replayed_is_refused() {
    let api = Api::without_policies().await;
    let hook = subscribe(&api, "a", json!({"url": "https://example.org/hook"})).await.header("location").to_owned();
    for (wanted, pointer) in [
        (json!({"secret": "hunter2"}), "/secret"),
        (json!({"overlap_s": -1}), "/overlap_s"),
        (json!({"overlap_s": 604_801}), "/overlap_s"),
        (json!({"overlap_s": 1_u64 << 63}), "/overlap_s"),
        (json!({"overlap": 1}), "/overlap"),
    ] {
        let refused = api.post(&format!("{hook}/secret"), &[ANA], &wanted).await.expect(422);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{wanted}: {}", refused.body);
    }
    let unknown = "/v1/webhooks/018f4e7a-0000-7000-8000-000000000009";
    for (what, body) in [("secret", json!({})), ("replay", json!({"from": "start"}))] {
        let refused = api.post(&format!("{unknown}/{what}"), &[ANA], &body).await.expect(404);
        assert_eq!(refused.body["code"], "webhook-not-found");
    }
    api.send(Method::POST, &format!("{hook}/secret"), &[ANA], "").await.expect(415);
}
