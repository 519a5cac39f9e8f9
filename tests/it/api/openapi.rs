//! The published description of the API.

use std::collections::BTreeSet;
use std::path::Path;

use event_schemas::published::published;
use platform::http::docs;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{ACCOUNT, Answer, Api, KEY, document, explanations, resolved};

/// Not ours to describe, or of HTTP itself.
const USUAL: [&str; 4] = ["content-type", "content-length", "date", "cache-control"];
/// Answered in some cases only.
const AT_TIMES: [&str; 4] = ["idempotent-replayed", "link", "retry-after", "warning"];

/// `UPDATE_GOLDEN=1 cargo test -p tests openapi` writes the file anew; look at the difference before committing it.
#[test]
fn the_committed_openapi_document_is_what_the_program_serves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/openapi.json");
    let now = docs::pretty(&document()).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(now == committed, "docs/reference/openapi.json is not what the program serves; UPDATE_GOLDEN=1 writes it");
}

#[test]
fn every_operation_has_an_id_a_summary_examples_and_problems() {
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let mut count = 0;
    for operation in operations {
        count += 1;
        let id = operation["operationId"].as_str().unwrap();
        assert!(operation["summary"].is_string(), "{id} has no summary");
        assert!(operation["responses"]["default"]["content"]["application/problem+json"].is_object(), "{id}: problems");
        let examples =
            operation["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with("20"));
        for (status, response) in examples.filter(|(status, _)| *status != "204") {
            let content = &response["content"];
            let stream = content["text/event-stream"]["example"].is_string();
            assert!(stream || content["application/json"]["example"].is_object(), "{id} {status} has no example");
        }
        if let Some(body) = operation.get("requestBody") {
            let mut content = body["content"].as_object().unwrap().values();
            assert!(content.all(|content| content["example"].is_object()), "the body of {id} has no example");
        }
    }
    assert_eq!(count, 62);
}

/// The described headers of an answer, by lower-case name.
fn described(document: &Value, id: &str, status: &str) -> BTreeSet<String> {
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let operation = operations.into_iter().find(|operation| operation["operationId"] == id).unwrap();
    let responses = &operation["responses"];
    let response = responses.get(status).unwrap_or(&responses["default"]);
    let headers = response["headers"].as_object().unwrap();
    for (name, header) in headers {
        let header = resolved(document, header);
        assert!(header["description"].is_string() && header["example"].is_string(), "{id} {status} {name}");
    }
    headers.keys().map(|name| name.to_lowercase()).collect()
}

#[tokio::test]
async fn answers_carry_the_headers_that_are_described() {
    let api = Api::start().await;
    let document = serde_json::to_value(document()).unwrap();
    let (ana, key) = ("Handsel-Caller: ana", format!("Idempotency-Key: {KEY}"));
    let account = json!({"name": "Ana", "email": "ana@example.org"});
    let total = json!({"amount_minor": 100, "currency": "USD"});
    let order = json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 1, "total": total});
    let registered = api.post("/v1/accounts", &[ana, &key], &account).await.expect(201);
    let place = registered.header("location").to_owned();
    let patch = ["content-type: application/merge-patch+json", ana, "If-Match: \"1\""];
    let renamed = api.send(Method::PATCH, &place, &patch, json!({"name": "Anna"}).to_string()).await.expect(204);
    let imported = api.post("/v1/orders/import", &[ana, &key], &order).await.expect(201);
    let lines = json!({"orders": [order, order]});
    let batch = api.post("/v1/orders/import-batch", &[ana, "Idempotency-Key: b"], &lines).await.expect(200);
    let tokens = [renamed.token(), imported.token(), batch.token()];
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let with_tag = [tokens.as_slice(), &["If-None-Match: \"2\""]].concat();
    let answers: [(&str, Answer); 12] = [
        ("renameAccount", api.send(Method::PATCH, &place, &patch, "{}").await.expect(412)),
        ("getAccount", api.get(&place, &tokens).await.expect(200)),
        ("getAccount", api.get(&place, &with_tag).await.expect(304)),
        ("listAccounts", api.get("/v1/accounts?limit=1", &tokens).await.expect(200)),
        ("getOrder", api.get(&format!("/v1/orders/{ACCOUNT}"), &tokens).await.expect(404)),
        ("getOrder", api.get(imported.header("location"), &tokens).await.expect(200)),
        ("listOrders", api.get("/v1/orders?limit=1", &tokens).await.expect(200)),
        ("listCustomerOrders", api.get(&format!("/v1/customers/{ACCOUNT}/orders"), &tokens).await.expect(200)),
        ("getSalesSummary", api.get("/v1/sales/summary", &tokens).await.expect(200)),
        ("listSalesByDay", api.get("/v1/sales/by-day", &tokens).await.expect(200)),
        ("listEvents", api.get("/v1/events?limit=1", &tokens).await.expect(200)),
        ("registerAccount", api.post("/v1/accounts", &[ana, &key], &account).await.expect(201)),
    ];
    let before = [
        ("registerAccount", registered),
        ("renameAccount", renamed),
        ("importOrder", imported),
        ("importOrders", batch),
    ];
    let mut seen = BTreeSet::new();
    for (id, answer) in before.into_iter().chain(answers) {
        let described = described(&document, id, answer.status.as_str());
        let carried: BTreeSet<_> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
        let strange = carried.iter().find(|name| !USUAL.contains(&name.as_str()) && !described.contains(*name));
        assert_eq!(strange, None, "{id} {} does not describe it", answer.status);
        let missing = described.iter().find(|name| !AT_TIMES.contains(&name.as_str()) && !carried.contains(*name));
        assert_eq!(missing, None, "{id} {} describes it but does not carry it", answer.status);
        seen.extend(carried);
    }
    let expected = ["etag", "location", "consistency-token", "idempotent-replayed", "link", "x-request-id"];
    assert_eq!(expected.iter().find(|name| !seen.contains(**name)), None, "the answers show it");
}

#[test]
fn every_operation_says_how_a_caller_is_named_and_how_a_request_is_traced() {
    let document = serde_json::to_value(document()).unwrap();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        let parameters: Vec<_> =
            operation["parameters"].as_array().unwrap().iter().map(|one| resolved(&document, one)).collect();
        for name in ["Handsel-Caller", "traceparent", "X-Request-Id"] {
            let found = parameters.iter().find(|one| one["name"] == name && one["in"] == "header");
            assert!(found.is_some_and(|one| one["required"] == false), "{}: {name}", operation["operationId"]);
        }
        let silent = parameters.iter().find(|one| !one["description"].is_string() || !one["schema"].is_object());
        assert_eq!(silent, None, "{}", operation["operationId"]);
    }
}

#[tokio::test]
async fn the_schema_that_a_record_names_is_served() {
    let api = Api::start().await;
    for event in published() {
        assert!(event.dataschema().starts_with("urn:handsel:schemas:"), "CloudEvents wants an absolute URI");
        let name = event.dataschema().replace("urn:handsel:schemas:", "");
        let (of, version) = name.split_once(':').unwrap();
        let served = api.get(&format!("/schemas/{of}/{version}.json"), &[]).await.expect(200);
        assert_eq!(served.header("content-type"), "application/schema+json");
        assert_eq!(served.body["$id"], event.dataschema());
        assert_eq!(served.body, event.schema);
    }
    let missing = api.get("/schemas/orders.order-imported/3.json", &[]).await.expect(404);
    assert_eq!(missing.body["code"], "no-such-route");
}

#[tokio::test]
async fn the_documentation_needs_nothing_from_elsewhere() {
    let api = Api::start().await;
    let served = api.get("/openapi.json", &[]).await.expect(200);
    assert_eq!(served.body, serde_json::to_value(document()).unwrap());
    let page = api.get("/docs", &[]).await.expect(200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_a_page_that_explains_it() {
    let api = Api::start().await;
    let missing = api.get(&format!("/v1/orders/{ACCOUNT}"), &[]).await.expect(404);
    let kind = format!("http://{}{}", api.address(), missing.body["type"].as_str().unwrap());
    let staying = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let sent_on = staying.get(&kind).send().await.unwrap();
    assert_eq!(sent_on.status(), 307);
    assert_eq!(sent_on.headers()["location"], "/docs#problem/order-not-found");
    let page = reqwest::get(&kind).await.unwrap().text().await.unwrap();
    for one in explanations() {
        assert!(page.contains(&format!("\"{}\":[{},", one.code, one.status)), "{} is explained", one.code);
        assert!(page.contains(one.meaning), "{} is explained", one.code);
    }
}
