//! What clients do, from the first account to the last page.

use reqwest::Method;
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::world::{ACCOUNT, Answer, Api};

const ANA: &str = "Handsel-Caller: ana";

async fn register(api: &Api, key: &str, name: &str) -> Answer {
    let body = json!({"name": name, "email": "ana@example.org", "reference": "00002"});
    api.post("/v1/accounts", &[ANA, &format!("Idempotency-Key: \"{key}\"")], &body).await
}

async fn import(api: &Api, key: &str, customer: &str, units: u32) -> Answer {
    let total = json!({"amount_minor": 100 * units, "currency": "USD"});
    let body = json!({"customer": customer, "ordered_on": "1997-01-12", "units": units, "total": total});
    api.post("/v1/orders/import", &[ANA, &format!("Idempotency-Key: \"{key}\"")], &body).await
}

#[tokio::test]
async fn whoever_registers_sees_the_account_and_renames_it() {
    let api = Api::start().await;
    let made = register(&api, "a", "Ana").await.expect(201);
    let (place, tag) = (made.header("location").to_owned(), made.header("etag").to_owned());
    assert_eq!(tag, "\"1\"");
    let seen = api.get(&place, &[&made.token()]).await.expect(200);
    assert_eq!((&seen.body["name"], &seen.body["reference"]), (&json!("Ana"), &json!("00002")));
    api.get(&place, &[&format!("If-None-Match: {tag}")]).await.expect(304);

    let patch = ["content-type: application/merge-patch+json", ANA, "If-Match: \"1\""];
    let renamed = api.send(Method::PATCH, &place, &patch, json!({"name": "Anna"}).to_string()).await.expect(204);
    assert_eq!(renamed.header("etag"), "\"2\"");
    let late = api.send(Method::PATCH, &place, &patch, json!({"name": "Anne"}).to_string()).await.expect(412);
    assert_eq!(late.body["code"], "version-conflict");
    let seen = api.get("/v1/accounts?filter[reference]=00002", &[&renamed.token()]).await.expect(200);
    assert_eq!((&seen.body["data"][0]["name"], &seen.body["data"][0]["version"]), (&json!("Anna"), &json!(2)));

    let nobody = format!("/v1/accounts/{ACCOUNT}");
    let missing = api.send(Method::PATCH, &nobody, &patch, json!({"name": "X"}).to_string()).await.expect(404);
    assert_eq!(missing.body["code"], "account-not-found");
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_and_does_nothing() {
    let api = Api::start().await;
    let first = register(&api, "a", "Ana").await.expect(201);
    let again = register(&api, "a", "Ana").await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!((again.header("location"), &again.body), (first.header("location"), &first.body));
    let other = register(&api, "a", "Bob").await.expect(422);
    assert_eq!(other.body["code"], "idempotency-key-reused");

    let first = import(&api, "o", ACCOUNT, 5).await.expect(201);
    let again = import(&api, "o", ACCOUNT, 5).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &first.body));
    let seen = api.get("/v1/sales/summary", &[&again.token()]).await.expect(200);
    let sums = json!({"orders": 1, "customers": 1, "units": 5, "revenue_minor": 500, "currency": "USD"});
    assert_eq!(seen.body, sums);
}

#[tokio::test]
async fn a_batch_answers_line_by_line() {
    let api = Api::start().await;
    let total = json!({"amount_minor": 100, "currency": "USD"});
    let line = |units| json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": units, "total": total});
    let body = json!({"orders": [line(1), line(0), {"colour": 1}, line(2)]});
    let headers = [ANA, "Idempotency-Key: \"b\""];
    let first = api.post("/v1/orders/import-batch", &headers, &body).await.expect(200);
    let statuses: Vec<_> =
        first.body["results"].as_array().unwrap().iter().map(|line| line["status"].clone()).collect();
    assert_eq!(statuses, [201, 422, 422, 201].map(|status| json!(status)));
    assert_eq!(first.body["results"][1]["problem"]["errors"][0]["pointer"], "/units");
    assert_eq!(first.body["results"][2]["problem"]["errors"][0]["pointer"], "/colour");
    let again = api.post("/v1/orders/import-batch", &headers, &body).await.expect(200);
    assert_eq!(again.body["results"][3]["replayed"], true);
    let seen = api.get("/v1/sales/summary", &[&first.token()]).await.expect(200);
    assert_eq!((&seen.body["orders"], &seen.body["units"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end() {
    let api = Api::start().await;
    let mut tokens = Vec::new();
    for number in 1..=5 {
        tokens.push(import(&api, &format!("o{number}"), ACCOUNT, number).await.expect(201).token());
    }
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    for list in ["/v1/orders?limit=2".to_owned(), format!("/v1/customers/{ACCOUNT}/orders?limit=2")] {
        let (mut path, mut seen, mut pages) = (list, Vec::new(), 0);
        loop {
            let page = api.get(&path, &tokens).await.expect(200);
            seen.extend(page.body["data"].as_array().unwrap().iter().map(|row| row["order"].to_string()));
            pages += 1;
            if page.body["has_more"] == false {
                break;
            }
            path = page.header("link").trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((seen.len(), pages), (5, 3));
    }
    let days = api.get("/v1/sales/by-day?filter[from]=1997-01-01&filter[to]=1997-01-31", &tokens).await.expect(200);
    assert_eq!((&days.body["data"][0]["orders"], &days.body["data"][0]["units"]), (&json!(5), &json!(15)));
}

#[tokio::test]
async fn every_event_is_listed_with_its_cause_and_the_list_goes_on() {
    let api = Api::start().await;
    let made = register(&api, "a", "Ana").await.expect(201);
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let total = json!({"amount_minor": 100, "currency": "USD"});
    let order = json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 1, "total": total});
    let imported = api.post("/v1/orders/import", &[ANA, "Idempotency-Key: o", trace], &order).await.expect(201);
    let tokens = [made.token(), imported.token()];
    let list = api.get("/v1/events", &[&tokens[0], &tokens[1]]).await.expect(200);
    let types: Vec<_> = list.body["data"].as_array().unwrap().iter().map(|event| event["event_type"].clone()).collect();
    assert_eq!(types, [json!("AccountRegistered"), json!("OrderImported")]);
    assert!(!list.body["data"][0]["data"].to_string().contains("ana@example.org"));
    let event = &list.body["data"][1];
    assert_eq!((&event["actor"], event["traceparent"].as_str().unwrap().contains("4bf92f35")), (&json!("ana"), true));

    let cursor = list.body["next_cursor"].as_str().unwrap();
    let rest = api.get(&format!("/v1/events?cursor={cursor}"), &[]).await.expect(200);
    assert_eq!((&rest.body["data"], &rest.body["has_more"]), (&json!([]), &json!(false)));
    let next = import(&api, "p", ACCOUNT, 2).await.expect(201);
    let news = api.get(&format!("/v1/events?cursor={cursor}"), &[&next.token()]).await.expect(200);
    assert_eq!(news.body["data"].as_array().unwrap().len(), 1);
    let only = api.get("/v1/events?filter[context]=identity&filter[type]=AccountRegistered", &[]).await.expect(200);
    assert_eq!(only.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_the_database_commands_and_queries_say_when_to_come_back() {
    let api = Api::start().await;
    let placed = import(&api, "o", ACCOUNT, 1).await.expect(201);
    let name = api.database.name();
    let elsewhere: PgConnectOptions = api.database.url().parse().unwrap();
    let mut admin = elsewhere.database("postgres").connect().await.unwrap();
    sqlx::query(&format!("alter database \"{name}\" allow_connections false")).execute(&mut admin).await.unwrap();
    let others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    sqlx::query(others).bind(name).execute(&mut admin).await.unwrap();
    let away = import(&api, "p", ACCOUNT, 1).await.expect(503);
    assert_eq!((away.header("retry-after"), &away.body["code"]), ("1", &json!("store-unavailable")));
    let away = api.get("/v1/sales/summary", &[&placed.token()]).await.expect(503);
    assert_eq!(away.header("retry-after"), "1");
    sqlx::query(&format!("alter database \"{name}\" allow_connections true")).execute(&mut admin).await.unwrap();
    tests::until("commands go on", tests::ETA_MAX, async || import(&api, "p", ACCOUNT, 1).await.status == 201).await;
    let token = placed.token();
    let shown = async || api.get("/v1/sales/summary", &[&token]).await.status == 200;
    tests::until("the views go on", tests::ETA_MAX, shown).await;
    let seen = api.get("/v1/sales/summary", &[&token]).await.expect(200);
    assert!(seen.body["orders"].as_i64().unwrap() >= 1);
}
