//! What a query waits for.

use envelope::{History, Position};
use platform::token::ConsistencyToken;
use serde_json::json;
use uuid::Uuid;

use super::world::{ACCOUNT, Answer, Api};

const ANA: &str = "Handsel-Caller: ana";

async fn import(api: &Api, key: &str, currency: &str) -> Answer {
    let total = json!({"amount_minor": 100, "currency": currency});
    let body = json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 1, "total": total});
    api.post("/v1/orders/import", &[ANA, &format!("Idempotency-Key: {key}")], &body).await.expect(201)
}

/// What a client holds that was answered before a store lost its newest events.
fn of_another_history(api: &Api, context: &str) -> String {
    let token = ConsistencyToken::of(context, History(Uuid::new_v4()), &[(0, Position(1))]);
    format!("Consistency-Token: {}", token.encode(&api.tokens))
}

#[tokio::test]
async fn a_token_of_another_history_is_answered_at_once_with_a_warning_refusals_too() {
    let api = Api::start().await;
    for (key, currency) in [("a", "USD"), ("b", "EUR")] {
        let token = import(&api, key, currency).await.token();
        api.get("/v1/sales/summary?filter[currency]=USD", &[&token]).await.expect(200);
        api.get("/v1/orders", &[&token]).await.expect(200);
    }
    let foreign = [of_another_history(&api, "identity"), of_another_history(&api, "orders")];
    let tokens: Vec<&str> = foreign.iter().map(String::as_str).collect();
    for (path, status) in [
        ("/v1/orders".to_owned(), 200),
        (format!("/v1/orders/{ACCOUNT}"), 404),
        (format!("/v1/accounts/{ACCOUNT}"), 404),
        ("/v1/sales/summary".to_owned(), 400),
        ("/v1/sales/summary?filter[currency]=EUR".to_owned(), 200),
        ("/v1/events".to_owned(), 200),
    ] {
        let answer = api.get(&path, &tokens).await.expect(status);
        let warning = answer.header("warning");
        assert!(warning.starts_with("299 handsel \"") && warning.contains("another history"), "{path}: {warning}");
        assert!(!api.get(&path, &[]).await.expect(status).headers.contains_key("warning"), "{path}");
    }
}
