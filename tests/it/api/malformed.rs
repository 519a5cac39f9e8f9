//! Whatever is wrong with a request, the answer is a 4xx problem that names the field, never a 5xx.

use platform::http::BODY_BYTES_MAX;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ACCOUNT, Api, KEY};

const JSON: &str = "content-type: application/json";
const PATCH: &str = "content-type: application/merge-patch+json";
const ANA: &str = "Handsel-Caller: ana";

struct Bad {
    method: Method,
    path: String,
    headers: Vec<String>,
    body: Vec<u8>,
    status: u16,
    field: &'static str,
}

fn account(field: &str, value: Value) -> Vec<u8> {
    let mut body = json!({"name": "Ana", "email": "ana@example.org", "reference": "1"});
    body[field] = value;
    body.to_string().into_bytes()
}

fn order(pointer: &str, value: Value) -> Vec<u8> {
    let total = json!({"amount_minor": 100, "currency": "USD"});
    let mut body =
        json!({"order": ACCOUNT, "customer": ACCOUNT, "ordered_on": "1997-01-01", "units": 1, "total": total});
    *body.pointer_mut(pointer).unwrap() = value;
    body.to_string().into_bytes()
}

fn post(path: &str, body: impl Into<Vec<u8>>, status: u16, field: &'static str) -> Bad {
    let headers = vec![JSON.into(), ANA.into(), format!("Idempotency-Key: \"{KEY}\"")];
    Bad { method: Method::POST, path: path.into(), headers, body: body.into(), status, field }
}

fn with(headers: &[&str], status: u16, field: &'static str) -> Bad {
    let headers = headers.iter().copied().chain([JSON]).map(str::to_owned).collect();
    let body = order("/units", json!(1));
    Bad { method: Method::POST, path: "/v1/orders/import".into(), headers, body, status, field }
}

fn rename(headers: &[&str], path: &str, body: &str, status: u16, field: &'static str) -> Bad {
    let headers = headers.iter().map(|line| (*line).to_owned()).collect();
    Bad { method: Method::PATCH, path: path.into(), headers, body: body.into(), status, field }
}

fn get(path: &str, field: &'static str) -> Bad {
    Bad { method: Method::GET, path: path.into(), headers: vec![], body: vec![], status: 400, field }
}

fn get_with(header: &str, field: &'static str) -> Bad {
    Bad { headers: vec![header.into()], ..get("/v1/orders", field) }
}

async fn refuse_all(table: Vec<Bad>) {
    let api = Api::start().await;
    for bad in table {
        let headers: Vec<&str> = bad.headers.iter().map(String::as_str).collect();
        let said = format!("{} {} {headers:?} {}", bad.method, bad.path, String::from_utf8_lossy(&bad.body).len());
        let answer = api.send(bad.method, &bad.path, &headers, bad.body).await;
        assert_eq!(answer.status.as_u16(), bad.status, "{said}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{said}");
        assert_eq!(answer.body["errors"][0]["pointer"], bad.field, "{said}: {answer:?}");
        assert!(answer.body["trace_id"].is_string() && answer.body["detail"].is_string(), "{said}: {answer:?}");
    }
}

#[tokio::test]
async fn a_bad_account_is_refused_by_its_field() {
    let accounts = |body: Vec<u8>, field| post("/v1/accounts", body, 422, field);
    refuse_all(vec![
        accounts(account("name", json!(1)), "/name"),
        accounts(account("name", json!(null)), "/name"),
        accounts(account("name", json!("")), "/name"),
        accounts(account("name", json!("  ")), "/name"),
        accounts(account("name", json!("a\0b")), "/name"),
        accounts(account("name", json!("x".repeat(201))), "/name"),
        accounts(account("email", json!("nowhere")), "/email"),
        accounts(account("email", json!("a b@c")), "/email"),
        accounts(account("email", json!(["a@b"])), "/email"),
        accounts(account("email", json!(format!("{}@b", "a".repeat(254)))), "/email"),
        accounts(account("reference", json!("")), "/reference"),
        accounts(account("reference", json!("x".repeat(65))), "/reference"),
        accounts(account("reference", json!("a\u{7}")), "/reference"),
        accounts(account("account", json!("not-an-id")), "/account"),
        accounts(account("colour", json!("red")), "/colour"),
        accounts(account("account", json!([ACCOUNT])), "/account"),
        Bad { headers: vec![ANA.into()], ..post("/v1/accounts", account("name", json!("Ana")), 415, "Content-Type") },
        accounts(json!({"name": "Ana"}).to_string().into(), "/email"),
        accounts(br#"{"name":"a","name":"b","email":"a@b"}"#.to_vec(), "/name"),
        accounts(b"[]".to_vec(), ""),
        accounts(b"null".to_vec(), ""),
        accounts(br#" ["Ana","ana@example.org"]"#.to_vec(), ""),
        accounts(b"50000".to_vec(), ""),
        accounts(b"\"Ana\"".to_vec(), ""),
        post("/v1/accounts", "Ana", 400, ""),
        accounts("[".repeat(50_000).into(), ""),
        post("/v1/accounts", "", 400, ""),
        post("/v1/accounts", "{", 400, ""),
        post("/v1/accounts", &b"{\"name\":\"\xff\"}"[..], 400, ""),
        post("/v1/accounts", vec![b' '; BODY_BYTES_MAX + 1], 413, ""),
        rename(&[PATCH], &format!("/v1/accounts/{ACCOUNT}"), r#"{"name":"x"}"#, 428, "If-Match"),
        rename(&[PATCH, "If-Match: 1"], &format!("/v1/accounts/{ACCOUNT}"), r#"{"name":"x"}"#, 400, "If-Match"),
        rename(&[PATCH, "If-Match: W/\"1\""], &format!("/v1/accounts/{ACCOUNT}"), r#"{"name":"x"}"#, 400, "If-Match"),
        rename(&[PATCH, "If-Match: \"1\""], "/v1/accounts/x", r#"{"name":"x"}"#, 400, "account"),
        rename(&[PATCH, "If-Match: \"1\""], &format!("/v1/accounts/{ACCOUNT}"), r#"{"name":null}"#, 422, "/name"),
        rename(&[PATCH, "If-Match: \"1\""], &format!("/v1/accounts/{ACCOUNT}"), r#"{"email":"x"}"#, 422, "/email"),
        rename(&[JSON, "If-Match: \"1\""], &format!("/v1/accounts/{ACCOUNT}"), r#"{"name":"x"}"#, 415, "Content-Type"),
    ])
    .await;
}

#[tokio::test]
async fn a_bad_order_is_refused_by_its_field() {
    let import = |pointer, value| post("/v1/orders/import", order(pointer, value), 422, pointer);
    let batch = |body: Value, field| post("/v1/orders/import-batch", body.to_string(), 422, field);
    let absurd = format!(
        r#"{{"customer":"{ACCOUNT}","ordered_on":"1997-01-01","units":1e999,
             "total":{{"amount_minor":1,"currency":"USD"}}}}"#
    );
    refuse_all(vec![
        import("/order", json!(7)),
        import("/customer", json!("00002")),
        import("/customer", json!(null)),
        import("/ordered_on", json!("1997-13-01")),
        import("/ordered_on", json!("0097-01-01")),
        import("/ordered_on", json!(19_970_101)),
        import("/units", json!(0)),
        import("/units", json!(-1)),
        import("/units", json!(1.5)),
        import("/units", json!(1_000_001)),
        import("/units", json!(99_999_999_999_u64)),
        import("/units", json!("1")),
        post("/v1/orders/import", absurd, 422, "/units"),
        import("/total/amount_minor", json!(-1)),
        import("/total/amount_minor", json!(i64::MAX)),
        import("/total/amount_minor", json!(u64::MAX)),
        import("/total/amount_minor", json!(0.5)),
        import("/total/currency", json!("usd")),
        import("/total/currency", json!("DOLLAR")),
        import("/total/currency", json!(840)),
        import("/total", json!(7)),
        import("/total", json!([100, "USD"])),
        batch(json!({"orders": []}), "/orders"),
        batch(json!({"orders": vec![0; 1001]}), "/orders"),
        batch(json!({"orders": {}}), "/orders"),
        batch(json!([[]]), ""),
        batch(json!({"lines": []}), "/lines"),
        with(&[ANA], 400, "Idempotency-Key"),
        with(&["Idempotency-Key: k-1"], 400, "Idempotency-Key"),
        with(&[ANA, "Idempotency-Key: \"k"], 400, "Idempotency-Key"),
        with(&[ANA, "Idempotency-Key: a b"], 400, "Idempotency-Key"),
        with(&[ANA, "Idempotency-Key: a", "Idempotency-Key: b"], 400, "Idempotency-Key"),
        with(&[ANA, &format!("Idempotency-Key: {}", "x".repeat(256))], 400, "Idempotency-Key"),
        with(&["Handsel-Caller: a b", "Idempotency-Key: k"], 400, "Handsel-Caller"),
        with(&["Handsel-Caller: ana;admin", "Idempotency-Key: k"], 400, "Handsel-Caller"),
        with(&[ANA, "Handsel-Caller: bob", "Idempotency-Key: k"], 400, "Handsel-Caller"),
        with(&[ANA, "Idempotency-Key: k", "If-Match: x"], 400, "If-Match"),
        with(&[ANA, "Idempotency-Key: k", "If-Match: \"99999999999999999999\""], 400, "If-Match"),
        with(&[ANA, "Idempotency-Key: k", "If-Match: \"1\", \"2\""], 400, "If-Match"),
        with(&[ANA, "Idempotency-Key: k", "If-Match: \"7\""], 412, "If-Match"),
        with(&[ANA, "Idempotency-Key: \"\""], 400, "Idempotency-Key"),
        with(&[ANA, "Idempotency-Key: é"], 400, "Idempotency-Key"),
        with(&["Handsel-Caller: é", "Idempotency-Key: k"], 400, "Handsel-Caller"),
    ])
    .await;
}

#[tokio::test]
async fn a_bad_question_is_refused_by_its_parameter() {
    refuse_all(vec![
        get("/v1/accounts?limit=0", "limit"),
        get("/v1/accounts?limit=101", "limit"),
        get("/v1/accounts?limit=-1", "limit"),
        get("/v1/accounts?limit=x", "limit"),
        get("/v1/accounts?limit=99999999999999999999", "limit"),
        get("/v1/accounts?limit=1&limit=2", "limit"),
        get("/v1/accounts?cursor=x", "cursor"),
        get("/v1/accounts?cursor=", "cursor"),
        get(&format!("/v1/accounts?cursor={}", "A".repeat(4000)), "cursor"),
        get("/v1/accounts?filter[refrence]=1", "filter[refrence]"),
        get("/v1/accounts?filter[reference]=%00", "filter[reference]"),
        get("/v1/accounts?filter[reference]=%ff", "filter[reference]"),
        get("/v1/accounts/x", "account"),
        get("/v1/accounts/%00", "account"),
        get("/v1/orders?filter[customer]=00002", "filter[customer]"),
        get("/v1/orders?sort=-units", "sort"),
        get("/v1/orders/x", "order"),
        get(&format!("/v1/orders/{ACCOUNT}?expand=customer"), "expand"),
        get("/v1/customers/x/orders", "account"),
        get("/v1/sales/summary?filter[currency]=usd", "filter[currency]"),
        get("/v1/sales/by-day?filter[from]=yesterday", "filter[from]"),
        get("/v1/sales/by-day?filter[to]=1997-02-30", "filter[to]"),
        get("/v1/sales/by-day?filter[from]=-262143-01-01", "filter[from]"),
        get("/v1/sales/by-day?filter[to]=%2B262142-12-31", "filter[to]"),
        get("/v1/accounts?%ff=1", "\u{fffd}"),
        get("/v1/accounts/%ff", "path"),
        get("/v1/orders?filter[customer]=", "filter[customer]"),
        get(&format!("/v1/orders?filter[customer]={ACCOUNT}&filter[customer]={ACCOUNT}"), "filter[customer]"),
        get("/v1/events?filter[context]=gifts", "filter[context]"),
        get("/v1/events?filter[correlation]=1", "filter[correlation]"),
        get(&format!("/v1/events?{}", "a=1&".repeat(40)), "?"),
        get_with("Consistency-Token: x", "Consistency-Token"),
        get_with("Consistency-Token: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "Consistency-Token"),
        get_with(&format!("Consistency-Token: {}", "A".repeat(9000)), "Consistency-Token"),
        get_with("Handsel-Caller: ;roles=x", "Handsel-Caller"),
    ])
    .await;
}
