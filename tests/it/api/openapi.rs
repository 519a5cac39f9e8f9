//! The published description of the API.

use std::path::Path;

use event_schemas::published::published;
use platform::http::docs;

use super::world::{Api, document};

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
            assert!(response["content"]["application/json"]["example"].is_object(), "{id} {status} has no example");
        }
        if let Some(body) = operation.get("requestBody") {
            let mut content = body["content"].as_object().unwrap().values();
            assert!(content.all(|content| content["example"].is_object()), "the body of {id} has no example");
        }
    }
    assert_eq!(count, 12);
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
