//! What people may ask of a payment, and what they are shown.

use domain::payments::{Outcome, PaymentCommand};
use reactors::payments::Simulator;
use reqwest::Method;
use serde_json::{Value, json};

use super::till::Till;
use super::{authorize, operation, order, payment};
use crate::api::world::{ACCOUNT, Answer, Api};

const ANA: &str = "Handsel-Caller: ana";

/// Both APIs, and a provider that takes payments.
struct Shop {
    api: Api,
    till: Till<Simulator>,
}

impl Shop {
    async fn open() -> Self {
        let api = Api::without_policies().await;
        let till = Till::new(api.provider.clone(), &api.payments);
        Self { api, till }
    }

    async fn authorized(&mut self, number: u128, method: &str) {
        self.till.accepted(payment(number), authorize(number, method)).await;
        self.till.settle().await;
    }

    /// Asks as Ana does, under a key.
    async fn ask(&self, number: u128, what: &str, key: &str, body: &Value) -> Answer {
        let key = format!("Idempotency-Key: \"{key}\"");
        self.api.post(&format!("{}/{what}", place(number)), &[ANA, &key], body).await
    }

    async fn void(&self, number: u128, key: &str) -> Answer {
        let key = format!("Idempotency-Key: \"{key}\"");
        self.api.send(Method::POST, &format!("{}/void", place(number)), &[ANA, &key], vec![]).await
    }

    /// The payment once it shows everything that has happened to it.
    async fn shown(&self, number: u128) -> Value {
        let version = self.version(number).await;
        let mut shown = Value::Null;
        tests::until("the payment is shown", tests::ETA_MAX, async || {
            let answer = self.api.get(&place(number), &[]).await;
            shown = answer.body;
            shown["version"] == version
        })
        .await;
        shown
    }

    async fn version(&self, number: u128) -> i64 {
        let commands = self.api.payments.commands::<domain::payments::Payment>((), vec![]);
        commands.load(&payment(number).to_string()).await.unwrap().0
    }
}

fn place(number: u128) -> String {
    format!("/v1/payments/{}", payment(number))
}

#[tokio::test]
async fn an_operator_captures_and_refunds_what_was_authorized() {
    let mut shop = Shop::open().await;
    shop.authorized(1, "pm_sim_ok").await;
    let shown = shop.shown(1).await;
    assert_eq!(shown["order"], order(1).to_string());
    assert_eq!((&shown["state"], &shown["authorized_minor"]), (&json!("authorized"), &json!(1000)));
    assert_eq!((&shown["method"], &shown["failure"]), (&json!("pm_sim_ok"), &json!(null)));

    let amount = |minor: i64| json!({"amount": {"amount_minor": minor, "currency": "USD"}});
    let too_much = shop.ask(1, "capture", "c0", &amount(1001)).await.expect(409);
    assert_eq!(too_much.body["code"], "payment-exceeds-authorized");
    assert_eq!(too_much.body["errors"][0]["pointer"], "/amount/amount_minor");
    let part = shop.ask(1, "capture", "c1", &amount(400)).await.expect(202);
    assert_eq!(part.header("etag"), "\"3\"");
    let again = shop.ask(1, "capture", "c1", &amount(400)).await.expect(202);
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &part.body));
    assert_eq!(
        part.header("location"),
        format!("{}/operations/{}", place(1), part.body["operation"].as_str().unwrap())
    );
    let asked = shop.api.get(part.header("location"), &[&part.token()]).await.expect(200);
    assert_eq!((&asked.body["kind"], &asked.body["state"]), (&json!("capture"), &json!("requested")));
    shop.till.settle().await;
    assert_eq!(shop.shown(1).await["state"], "partially_captured");
    shop.ask(1, "capture", "c2", &json!({})).await.expect(202);
    shop.till.settle().await;
    assert_eq!(shop.shown(1).await["state"], "captured");
    assert_eq!(shop.void(1, "v").await.expect(409).body["code"], "payment-captured");

    shop.ask(1, "refunds", "r1", &amount(300)).await.expect(202);
    shop.till.settle().await;
    assert_eq!(shop.shown(1).await["state"], "partially_refunded");
    let rest = shop.ask(1, "refunds", "r2", &json!({})).await.expect(202);
    shop.till.settle().await;
    let shown = shop.shown(1).await;
    assert_eq!((&shown["state"], &shown["refunded_minor"]), (&json!("refunded"), &json!(1000)));
    let refund = shop.api.get(rest.header("location"), &[]).await.expect(200).body;
    assert_eq!((&refund["state"], &refund["amount"]["amount_minor"]), (&json!("succeeded"), &json!(700)));
    assert_eq!(shop.ask(1, "refunds", "r3", &json!({})).await.expect(409).body["code"], "payment-exceeds-captured");
}

#[tokio::test]
async fn a_void_is_asked_for_once_and_waits_for_the_authorization() {
    let mut shop = Shop::open().await;
    shop.till.accepted(payment(1), authorize(1, "pm_sim_ok")).await;
    let asked = shop.void(1, "v").await.expect(204);
    assert_eq!(shop.void(1, "w").await.expect(204).header("etag"), asked.header("etag"));
    let path = format!("{}/operations", place(1));
    let waiting = shop.api.get(&path, &[&asked.token()]).await.expect(200).body;
    let states: Vec<_> = waiting["data"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert!(states.contains(&&json!("deferred")), "{waiting}");
    assert_eq!(shop.ask(1, "capture", "c", &json!({})).await.expect(409).body["code"], "payment-voided");
    shop.till.settle().await;
    assert_eq!(shop.shown(1).await["state"], "voided");
}

#[tokio::test]
async fn what_is_not_known_is_shown_as_that() {
    let mut shop = Shop::open().await;
    shop.till.accepted(payment(1), authorize(1, "pm_sim_timeout_after")).await;
    shop.till.turn().await;
    assert_eq!(shop.shown(1).await["state"], "unknown");
    let operation = shop.api.get(&format!("{}/operations/{}", place(1), operation(10)), &[]).await.expect(200).body;
    assert_eq!((&operation["state"], &operation["ended_at"]), (&json!("unknown"), &json!(null)));
    assert_eq!(operation["reason"], "the provider did not answer in time");
    shop.till.accepted(payment(2), authorize(2, "pm_sim_action_required")).await;
    shop.till.turn().await;
    assert_eq!(shop.shown(2).await["state"], "requires_action");
    shop.authorized_or_not(3, "pm_sim_declined").await;
    let declined = shop.shown(3).await;
    assert_eq!(declined["state"], "failed");
    assert_eq!(declined["failure"], json!({"code": "card_declined", "reason": "The card was declined."}));
}

impl Shop {
    /// Until the third payment is at its end; the others may wait.
    async fn authorized_or_not(&mut self, number: u128, method: &str) {
        self.till.accepted(payment(number), authorize(number, method)).await;
        self.till.turn().await;
    }
}

#[tokio::test]
async fn a_payer_confirms_where_the_operation_says() {
    let mut shop = Shop::open().await;
    shop.till.accepted(payment(1), authorize(1, "pm_sim_action_required")).await;
    let path = format!("{}/operations/{}", place(1), operation(10));
    let confirm = async |shop: &Shop| shop.api.send(Method::POST, &format!("{path}/confirm"), &[ANA], vec![]).await;
    assert_eq!(
        confirm(&shop).await.expect(404).body["code"],
        "payment-operation-not-found",
        "the provider was not asked"
    );
    shop.till.turn().await;
    shop.shown(1).await;
    let waiting = shop.api.get(&path, &[]).await.expect(200).body;
    assert_eq!((&waiting["state"], &waiting["code"]), (&json!("pending"), &json!("action_required")));
    let url = waiting["action_url"].as_str().unwrap();
    assert!(url.ends_with(&format!("{path}/confirm")), "{url}");
    for _ in 0..2 {
        confirm(&shop).await.expect(204);
    }
    shop.till.settle().await;
    assert_eq!(shop.shown(1).await["state"], "authorized");
    shop.authorized(2, "pm_sim_ok").await;
    let other = format!("{}/operations/{}/confirm", place(2), operation(20));
    let refused = shop.api.send(Method::POST, &other, &[ANA], vec![]).await.expect(409);
    assert_eq!(refused.body["code"], "payment-action-not-required");
}

#[tokio::test]
async fn payments_are_found_by_order_payer_and_state() {
    let mut shop = Shop::open().await;
    for (number, method) in [(1, "pm_sim_ok"), (2, "pm_sim_ok"), (3, "pm_sim_declined")] {
        shop.authorized(number, method).await;
    }
    shop.shown(3).await;
    let payer = "00000000-0000-0000-0000-000000000001";
    for (filter, count) in [
        (String::new(), 3),
        (format!("filter[order]={}", order(2)), 1),
        (format!("filter[payer]={payer}"), 3),
        (format!("filter[payer]={ACCOUNT}"), 0),
        ("filter[state]=authorized".to_owned(), 2),
        (format!("filter[state]=failed&filter[order]={}", order(3)), 1),
        (format!("filter[state]=failed&filter[order]={}", order(1)), 0),
    ] {
        let found = shop.api.get(&format!("/v1/payments?{filter}"), &[]).await.expect(200);
        assert_eq!(found.body["data"].as_array().unwrap().len(), count, "{filter}: {:?}", found.body);
    }
    let page = shop.api.get("/v1/payments?limit=2", &[]).await.expect(200);
    let next = page.header("link").trim_start_matches('<').split('>').next().unwrap().to_owned();
    assert_eq!(shop.api.get(&next, &[]).await.expect(200).body["data"].as_array().unwrap().len(), 1);
    let misspelt = shop.api.get("/v1/payments?filter[state]=paid", &[]).await.expect(400);
    assert_eq!(misspelt.body["errors"][0]["pointer"], "filter[state]");
}

#[tokio::test]
async fn bad_input_is_refused_with_what_to_do() {
    let mut shop = Shop::open().await;
    let missing = shop.api.get(&place(9), &[]).await.expect(404);
    assert_eq!(missing.body["code"], "payment-not-found");
    let path = format!("{}/operations/{}", place(9), operation(1));
    assert_eq!(shop.api.get(&path, &[]).await.expect(404).body["code"], "payment-operation-not-found");
    assert_eq!(shop.ask(9, "refunds", "k", &json!({})).await.expect(404).body["code"], "payment-not-found");
    assert_eq!(shop.void(9, "k").await.expect(404).body["code"], "payment-not-found");
    shop.authorized(1, "pm_sim_ok").await;
    for what in ["capture", "refunds"] {
        let path = format!("{}/{what}", place(1));
        assert_eq!(shop.api.post(&path, &[ANA], &json!({})).await.expect(400).body["code"], "idempotency-key-missing");
        let bodies = [
            (json!({"amount": {"amount_minor": 0, "currency": "USD"}}), 422),
            (json!({"amount": {"amount_minor": 1, "currency": "EUR"}}), 409),
            (json!({"amount": {"amount_minor": 1, "currency": "usd"}}), 422),
            (json!({"amount": {"amount_minor": 1.5, "currency": "USD"}}), 422),
            (json!({"amount": 5}), 422),
            (json!({"amout": {"amount_minor": 1, "currency": "USD"}}), 422),
            (json!({"operation": "x"}), 422),
            (json!([]), 422),
        ];
        for ((body, status), number) in bodies.into_iter().zip(0..) {
            let refused = shop.ask(1, what, &number.to_string(), &body).await;
            assert_eq!(refused.status, status, "{what} {body}: {}", refused.body);
        }
    }
    let taken = json!({"operation": operation(10).to_string()});
    let refused = shop.ask(1, "capture", "taken", &taken).await.expect(409);
    assert_eq!(
        (&refused.body["code"], &refused.body["errors"][0]["pointer"]),
        (&json!("payment-operation-exists"), &json!("/operation"))
    );
    shop.api.get("/v1/payments/x", &[]).await.expect(400);
    assert_eq!(shop.version(1).await, 2, "nothing was changed");
}

#[tokio::test]
async fn a_contradiction_of_the_provider_is_refused_and_nothing_is_shown_of_it() {
    let mut shop = Shop::open().await;
    shop.authorized(1, "pm_sim_ok").await;
    let outcome = Outcome::Failed { code: "card_declined".into(), reason: "The card was declined.".into() };
    let refused = shop.till.ask(payment(1), PaymentCommand::Record { operation: operation(10), outcome }).await;
    assert!(refused.unwrap_err().to_string().starts_with("another outcome of this operation was recorded before"));
    assert_eq!(shop.shown(1).await["state"], "authorized");
}
