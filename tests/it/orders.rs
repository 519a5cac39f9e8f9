//! Orders over HTTP: what is taken in, refused, listed and summed up.

mod live;

use serde_json::{Value, json};

use crate::api::world::{ACCOUNT, Answer, Api};

const ORDER: &str = "018f4e7a-0000-7000-8000-0000000000aa";
const OTHER_ACCOUNT: &str = "018f4e7a-0000-7000-8000-000000000002";
const ANA: &str = "Handsel-Caller: ana";

fn purchase(day: &str, units: i64, minor: i64, currency: &str) -> Value {
    let total = json!({"amount_minor": minor, "currency": currency});
    json!({"customer": ACCOUNT, "ordered_on": day, "units": units, "total": total})
}

async fn import(api: &Api, key: &str, body: &Value) -> Answer {
    api.post("/v1/orders/import", &[ANA, &format!("Idempotency-Key: \"{key}\"")], body).await
}

/// The ids in a list, as they come.
fn orders(list: &Answer) -> Vec<Value> {
    list.body["data"].as_array().unwrap().iter().map(|row| row["order"].clone()).collect()
}

#[tokio::test]
async fn an_imported_order_is_shown_as_it_was_sent() {
    let api = Api::start().await;
    let made = import(&api, "k", &purchase("1997-01-12", 5, 7700, "USD")).await.expect(201);
    let place = made.header("location").to_owned();
    let seen = api.get(&place, &[&made.token()]).await.expect(200);
    assert_eq!((&seen.body["customer"], &seen.body["ordered_on"]), (&json!(ACCOUNT), &json!("1997-01-12")));
    let total = json!({"amount_minor": 7700, "currency": "USD"});
    assert_eq!((&seen.body["units"], &seen.body["total"]), (&json!(5), &total));
    assert_eq!((seen.header("etag"), &seen.body["order"]), ("\"1\"", &made.body["order"]));
    api.get(&place, &["If-None-Match: \"1\""]).await.expect(304);
    let nothing = api.get(&format!("/v1/orders/{ORDER}"), &[]).await.expect(404);
    assert_eq!(nothing.body["code"], "order-not-found");
}

#[tokio::test]
async fn an_order_is_imported_once_whatever_the_key() {
    let api = Api::start().await;
    let mut body = purchase("1997-01-12", 5, 7700, "USD");
    body["order"] = json!(ORDER);
    import(&api, "one", &body).await.expect(201);
    let again = import(&api, "two", &body).await.expect(200);
    assert_eq!(again.body, json!({"order": ORDER, "version": 1}));
    body["units"] = json!(6);
    let other = import(&api, "three", &body).await.expect(409);
    assert_eq!(other.body["code"], "order-exists");
    assert_eq!(other.body["errors"][0]["pointer"], "/order");
    let seen = api.get(&format!("/v1/orders/{ORDER}"), &[&again.token()]).await.expect(200);
    assert_eq!(seen.body["units"], 5);
}

#[tokio::test]
async fn the_bounds_belong_to_what_can_be_imported() {
    let api = Api::start().await;
    for (key, body) in [
        ("least", purchase("1900-01-01", 1, 0, "USD")),
        ("most", purchase("2199-12-31", 1_000_000, 100_000_000_000, "USD")),
    ] {
        import(&api, key, &body).await.expect(201);
    }
    for (pointer, body) in [
        ("/units", purchase("1997-01-12", 0, 100, "USD")),
        ("/units", purchase("1997-01-12", 1_000_001, 100, "USD")),
        ("/total/amount_minor", purchase("1997-01-12", 1, -1, "USD")),
        ("/total/amount_minor", purchase("1997-01-12", 1, 100_000_000_001, "USD")),
        ("/ordered_on", purchase("1899-12-31", 1, 100, "USD")),
        ("/ordered_on", purchase("2200-01-01", 1, 100, "USD")),
    ] {
        let refused = import(&api, "refused", &body).await.expect(422);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[tokio::test]
async fn a_batch_holds_up_to_a_thousand_orders_and_repeats_none() {
    let api = Api::start().await;
    let lines: Vec<_> = (1..=1000).map(|units| purchase("1997-01-12", units, 100, "USD")).collect();
    let (headers, body) = ([ANA, "Idempotency-Key: \"b\""], json!({"orders": lines}));
    let first = api.post("/v1/orders/import-batch", &headers, &body).await.expect(200);
    let again = api.post("/v1/orders/import-batch", &headers, &body).await.expect(200);
    let (done, repeated) = (first.body["results"].as_array().unwrap(), again.body["results"].as_array().unwrap());
    assert_eq!((done.len(), repeated.len()), (1000, 1000));
    for (index, (one, two)) in done.iter().zip(repeated).enumerate() {
        assert_eq!((&one["line"], &one["status"]), (&json!(index + 1), &json!(201)));
        assert_eq!((&two["order"], &two["replayed"]), (&one["order"], &json!(true)));
    }
    let seen = api.get("/v1/sales/summary", &[&first.token()]).await.expect(200);
    assert_eq!((&seen.body["orders"], &seen.body["units"]), (&json!(1000), &json!(500_500)));
}

#[tokio::test]
async fn a_line_of_a_batch_that_contradicts_an_order_is_refused_alone() {
    let api = Api::start().await;
    let mut known = purchase("1997-01-12", 5, 7700, "USD");
    known["order"] = json!(ORDER);
    import(&api, "one", &known).await.expect(201);
    let mut other = known.clone();
    other["units"] = json!(6);
    let body = json!({"orders": [known, other, purchase("1997-01-13", 1, 100, "USD"), 7]});
    let batch = api.post("/v1/orders/import-batch", &[ANA, "Idempotency-Key: \"b\""], &body).await.expect(200);
    let statuses: Vec<_> = batch.body["results"].as_array().unwrap().iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, [&json!(200), &json!(409), &json!(201), &json!(422)]);
    assert_eq!(batch.body["results"][1]["problem"]["code"], "order-exists");
    assert_eq!(batch.body["results"][3]["problem"]["errors"][0]["pointer"], "");
}

#[tokio::test]
async fn a_customer_has_the_orders_of_nobody_else_newest_day_first() {
    let api = Api::start().await;
    let mut tokens = Vec::new();
    let mut made = Vec::new();
    for (key, day) in [("a", "1997-01-12"), ("b", "1997-03-01"), ("c", "1996-12-31")] {
        let answer = import(&api, key, &purchase(day, 1, 100, "USD")).await.expect(201);
        tokens.push(answer.token());
        made.push(answer.body["order"].clone());
    }
    let mut foreign = purchase("1997-02-01", 1, 100, "USD");
    foreign["customer"] = json!(OTHER_ACCOUNT);
    let foreign = import(&api, "d", &foreign).await.expect(201);
    tokens.push(foreign.token());
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let list = api.get(&format!("/v1/customers/{ACCOUNT}/orders"), &tokens).await.expect(200);
    assert_eq!(orders(&list), [&made[1], &made[0], &made[2]].map(Clone::clone));
    let list = api.get(&format!("/v1/orders?filter[customer]={OTHER_ACCOUNT}"), &tokens).await.expect(200);
    assert_eq!(orders(&list), [foreign.body["order"].clone()]);
    let none = api.get(&format!("/v1/customers/{ORDER}/orders"), &[]).await.expect(200);
    assert_eq!(none.body, json!({"data": [], "next_cursor": null, "has_more": false}));
}

#[tokio::test]
async fn sums_are_kept_by_currency_and_by_day() {
    let api = Api::start().await;
    let none = json!({"orders": 0, "customers": 0, "units": 0, "revenue_minor": 0, "currency": null});
    let empty = api.get("/v1/sales/summary", &[]).await.expect(200);
    assert_eq!(empty.body, none);

    let one = import(&api, "a", &purchase("1997-01-12", 2, 500, "USD")).await.expect(201);
    let two = import(&api, "b", &purchase("1997-01-13", 3, 700, "USD")).await.expect(201);
    let tokens = [one.token(), two.token()];
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let sums = json!({"orders": 2, "customers": 1, "units": 5, "revenue_minor": 1200, "currency": "USD"});
    let seen = api.get("/v1/sales/summary", &tokens).await.expect(200);
    assert_eq!(seen.body, sums);
    let held = format!("If-None-Match: {}", seen.header("etag"));
    api.get("/v1/sales/summary", &[&held]).await.expect(304);

    let euro = import(&api, "c", &purchase("1997-01-13", 1, 900, "EUR")).await.expect(201);
    let mixed = api.get("/v1/sales/summary", &[&euro.token()]).await.expect(400);
    assert_eq!(mixed.body["errors"][0]["pointer"], "filter[currency]");
    let detail = mixed.body["detail"].as_str().unwrap();
    assert!(detail.contains("(EUR, USD)") && detail.contains("/v1/sales/by-currency"), "{detail}");
    let euros = json!({"orders": 1, "customers": 1, "units": 1, "revenue_minor": 900, "currency": "EUR"});
    let each = api.get("/v1/sales/by-currency", &[&euro.token()]).await.expect(200);
    assert_eq!(each.body, json!({"data": [euros, sums], "next_cursor": null, "has_more": false}));
    let first = api.get("/v1/sales/by-currency?limit=1", &[]).await.expect(200);
    let next = first.header("link").trim_start_matches('<').split('>').next().unwrap().to_owned();
    let rest = api.get(&next, &[]).await.expect(200);
    assert_eq!((first.body["data"].clone(), rest.body["data"].clone()), (json!([euros]), json!([sums])));
    let dollars = api.get("/v1/sales/summary?filter[currency]=USD", &tokens).await.expect(200);
    assert_eq!(dollars.body, sums);
    let path = "/v1/sales/by-day?filter[from]=1997-01-13&filter[to]=1997-01-13";
    let days = api.get(path, &[&euro.token(), tokens[1]]).await.expect(200);
    let euros = json!({"ordered_on": "1997-01-13", "currency": "EUR", "orders": 1, "units": 1, "revenue_minor": 900});
    let dollars = json!({"ordered_on": "1997-01-13", "currency": "USD", "orders": 1, "units": 3, "revenue_minor": 700});
    assert_eq!(days.body["data"], json!([euros, dollars]));
}
