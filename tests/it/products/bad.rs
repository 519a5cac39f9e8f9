//! Whatever is wrong with what is asked of a product or its stock, the answer is a 4xx that says what and where.

use super::*;

/// What is sent, and what it is answered: status, code, and the place that is wrong.
struct Bad {
    path: String,
    body: Value,
    answer: (u16, &'static str, &'static str),
}

fn bad(path: &str, body: Value, status: u16, code: &'static str, pointer: &'static str) -> Bad {
    Bad { path: path.to_owned(), body, answer: (status, code, pointer) }
}

async fn refuse_all(api: &Api, table: Vec<Bad>) {
    for (Bad { path, body, answer: (status, code, pointer) }, number) in table.into_iter().zip(0..) {
        let headers = [ANA, &format!("Idempotency-Key: \"bad-{number}\"")];
        let answer = api.post(&path, &headers, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}: {answer:?}");
        assert_eq!(answer.body["code"], code, "{path} {body}: {answer:?}");
        let at = answer.body["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert_eq!(at, pointer, "{path} {body}: {answer:?}");
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{answer:?}");
    }
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = mug();
    body["media"] = json!(null);
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[tokio::test]
async fn a_bad_product_is_refused_by_its_field() {
    let api = Api::start().await;
    let field =
        |pointer: &'static str, value: Value, code| bad("/v1/products", with(pointer, value), 422, code, pointer);
    let many: Vec<_> = (0..101).map(|number| json!({"sku": number.to_string(), "title": "x"})).collect();
    let twice = json!([{"sku": "A", "title": "x"}, {"sku": "A", "title": "y"}]);
    refuse_all(
        &api,
        vec![
            field("/product", json!("x"), "bad-field"),
            field("/seller", json!(null), "bad-field"),
            field("/title", json!(""), "product-title-invalid"),
            field("/title", json!("a\u{0}b"), "product-title-invalid"),
            field("/title", json!("x".repeat(201)), "product-title-invalid"),
            field("/description", json!("x".repeat(20_001)), "product-description-invalid"),
            field("/price", json!(12), "bad-field"),
            field("/price/amount_minor", json!(-1), "product-price-out-of-range"),
            field("/price/amount_minor", json!(i64::MAX), "product-price-out-of-range"),
            field("/price/amount_minor", json!(1_u64 << 63), "bad-field"),
            field("/price/amount_minor", json!(0.5), "bad-field"),
            field("/price/currency", json!("usd"), "bad-field"),
            field("/price/currency", json!("DOLLAR"), "bad-field"),
            field("/categories", json!(["Tea Mugs"]), "product-categories-invalid"),
            field("/categories", json!(["a", "a"]), "product-categories-invalid"),
            field("/categories", json!(vec!["a"; 11]), "product-categories-invalid"),
            field("/media", json!("mug.jpg"), "product-media-invalid"),
            field("/variants", json!([]), "product-variants-invalid"),
            field("/variants", json!(many), "product-variants-invalid"),
            field("/variants", twice, "product-variants-invalid"),
            field("/variants/0/sku", json!(".."), "bad-field"),
            field("/variants/0/sku", json!("a/b"), "bad-field"),
            field("/variants/0/sku", json!("x".repeat(65)), "bad-field"),
        ],
    )
    .await;
    let headers = [ANA, JSON];
    let keyless = api.send(Method::POST, "/v1/products", &headers, mug().to_string()).await.expect(400);
    assert_eq!(keyless.body["code"], "idempotency-key-missing");
    step(&api, "propose").await.expect(404);
    patch(&api, &[ANA, "If-Match: *"], json!({"title": "Cup"})).await.expect(404);
    lease(&api, ANA, &minutes_ahead(1)).await.expect(404);
    api.get(&format!("/v1/products/{PRODUCT}"), &[]).await.expect(404);
    draft(&api, "k", &mug()).await.expect(201);
    for (body, pointer) in [
        (json!({"title": null}), "/title"),
        (json!({"price": {"amount_minor": 1_u64 << 63, "currency": "USD"}}), "/price/amount_minor"),
        (json!({"variants": []}), "/variants"),
        (json!({"media": "x"}), "/media"),
    ] {
        let refused = patch(&api, &[ANA, "If-Match: *"], body).await.expect(422);
        assert_eq!(refused.body["errors"][0]["pointer"], pointer);
    }
}

#[tokio::test]
async fn a_bad_quantity_is_refused_by_its_reason() {
    let api = Api::start().await;
    draft(&api, "k", &mug()).await.expect(201);
    let stock = format!("/v1/products/{PRODUCT}/stock");
    let [receive, adjust, reserve] = ["receive", "adjust", "reservations"].map(|end| format!("{stock}/MUG-RED/{end}"));
    let pieces = |quantity: Value| json!({ "quantity": quantity });
    let until = minutes_ahead(10);
    let wanted = |quantity: Value| json!({"quantity": quantity, "until": until});
    let counted = |change: Value| json!({"change": change, "reason": "counted"});
    let nothing = [
        bad(&reserve, wanted(json!(1)), 404, "stock-not-found", ""),
        bad(&adjust, counted(json!(1)), 404, "stock-not-found", ""),
        bad(&format!("{stock}/MUG-GREEN/receive"), pieces(json!(1)), 404, "variant-not-found", ""),
        bad(&format!("{stock}/MUG%00/receive"), pieces(json!(1)), 400, "bad-parameter", "sku"),
        bad(&format!("/v1/products/{ACCOUNT}/stock/MUG-RED/receive"), pieces(json!(1)), 404, "product-not-found", ""),
    ];
    refuse_all(&api, nothing.into()).await;
    let headers = [ANA, "Idempotency-Key: \"in\""];
    api.post(&receive, &headers, &pieces(json!(5))).await.expect(204);
    let mut table = Vec::new();
    for (quantity, code) in [
        (json!(0), "stock-quantity-out-of-range"),
        (json!(-1), "stock-quantity-out-of-range"),
        (json!(1_000_001), "stock-quantity-out-of-range"),
        (json!(1_u64 << 63), "bad-field"),
        (json!(1.5), "bad-field"),
        (json!("1"), "bad-field"),
    ] {
        table.push(bad(&receive, pieces(quantity.clone()), 422, code, "/quantity"));
        table.push(bad(&reserve, wanted(quantity), 422, code, "/quantity"));
    }
    let (range, late) = ("stock-change-out-of-range", "stock-reservation-end-out-of-range");
    table.extend([
        bad(&adjust, counted(json!(0)), 422, range, "/change"),
        bad(&adjust, counted(json!(i64::MIN)), 422, range, "/change"),
        bad(&adjust, counted(json!(1_u64 << 63)), 422, "bad-field", "/change"),
        bad(&adjust, counted(json!(-6)), 409, "stock-below-reserved", "/change"),
        bad(&adjust, json!({"change": 1, "reason": ""}), 422, "stock-reason-invalid", "/reason"),
        bad(&reserve, wanted(json!(6)), 409, "stock-not-enough", "/quantity"),
        bad(&reserve, json!({"quantity": 1, "until": minutes_ahead(-1)}), 422, late, "/until"),
        bad(&reserve, json!({"quantity": 1, "until": minutes_ahead(31 * 24 * 60)}), 422, late, "/until"),
        bad(&reserve, json!({"quantity": 1, "until": "tomorrow"}), 422, "bad-field", "/until"),
        bad(&reserve, json!({"quantity": 1}), 422, "bad-field", "/until"),
    ]);
    refuse_all(&api, table).await;
    let unknown = format!("{reserve}/{ACCOUNT}");
    let released = api.send(Method::DELETE, &unknown, &[ANA, "If-Match: *"], vec![]).await.expect(404);
    assert_eq!(released.body["code"], "stock-reservation-not-found");
    api.send(Method::POST, &format!("{unknown}/commit"), &[ANA], vec![]).await.expect(404);
    api.get(&format!("{stock}/MUG-GREEN"), &[]).await.expect(404);
    let none = api.get(&format!("/v1/products/{ACCOUNT}/stock"), &[]).await.expect(200);
    assert_eq!(none.body["data"], json!([]));
}
