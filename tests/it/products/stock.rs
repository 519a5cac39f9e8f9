//! Stock over HTTP: received, counted, reserved by one of many, released and committed.

use super::*;

const RED: &str = "/v1/products/018f4e7a-0000-7000-8000-000000000003/stock/MUG-RED";

async fn post(api: &Api, path: &str, key: &str, body: Value) -> Answer {
    api.post(&format!("{RED}/{path}"), &[ANA, &format!("Idempotency-Key: \"{key}\"")], &body).await
}

async fn reserve(api: &Api, key: &str, quantity: i64) -> Answer {
    post(api, "reservations", key, json!({"quantity": quantity, "until": minutes_ahead(10)})).await
}

/// On hand, reserved and available, after what a token tells of.
async fn pieces(api: &Api, after: &Answer) -> [i64; 3] {
    let seen = api.get(RED, &[&after.token()]).await.expect(200);
    assert_eq!(seen.header("etag"), after.header("etag"));
    ["on_hand", "reserved", "available"].map(|field| seen.body[field].as_i64().unwrap())
}

async fn stocked(quantity: i64) -> Api {
    let api = Api::start().await;
    draft(&api, "k", &mug()).await.expect(201);
    let received = post(&api, "receive", "first", json!({ "quantity": quantity })).await.expect(204);
    assert_eq!(pieces(&api, &received).await, [quantity, 0, quantity]);
    api
}

#[tokio::test]
async fn pieces_are_received_reserved_released_and_committed() {
    let api = stocked(10).await;
    let again = post(&api, "receive", "first", json!({"quantity": 10})).await.expect(204);
    assert_eq!((again.header("idempotent-replayed"), again.header("etag")), ("true", "\"1\""));
    let one = reserve(&api, "one", 3).await.expect(200);
    let two = reserve(&api, "two", 2).await.expect(200);
    assert_eq!(pieces(&api, &two).await, [10, 5, 5]);
    let place = |answer: &Answer| format!("{RED}/reservations/{}", answer.body["reservation"].as_str().unwrap());

    let freed = api.send(Method::DELETE, &place(&one), &[ANA, "If-Match: *"], vec![]).await.expect(204);
    assert_eq!(pieces(&api, &freed).await, [10, 2, 8]);
    let twice = api.send(Method::DELETE, &place(&one), &[ANA, "If-Match: *"], vec![]).await.expect(204);
    assert_eq!(twice.header("etag"), freed.header("etag"));
    let late = api.send(Method::POST, &format!("{}/commit", place(&one)), &[ANA], vec![]).await.expect(409);
    assert_eq!(late.body["code"], "stock-reservation-released");

    let sold = api.send(Method::POST, &format!("{}/commit", place(&two)), &[ANA], vec![]).await.expect(204);
    assert_eq!(pieces(&api, &sold).await, [8, 0, 8]);
    let twice = api.send(Method::POST, &format!("{}/commit", place(&two)), &[ANA], vec![]).await.expect(204);
    assert_eq!(twice.header("etag"), sold.header("etag"));
    let late = api.send(Method::DELETE, &place(&two), &[ANA, "If-Match: *"], vec![]).await.expect(409);
    assert_eq!(late.body["code"], "stock-reservation-committed");
    let body = json!({"reservation": two.body["reservation"], "quantity": 2, "until": minutes_ahead(10)});
    let reused = post(&api, "reservations", "three", body).await.expect(409);
    assert_eq!(reused.body["code"], "stock-reservation-finished");

    let counted = post(&api, "adjust", "count", json!({"change": -1, "reason": "broken"})).await.expect(204);
    assert_eq!(pieces(&api, &counted).await, [7, 0, 7]);
    let blue = format!("/v1/products/{PRODUCT}/stock/MUG-BLUE");
    let headers = [ANA, "Idempotency-Key: \"blue\""];
    let blue = api.post(&format!("{blue}/receive"), &headers, &json!({"quantity": 1})).await.expect(204);
    let list = api.get(&format!("/v1/products/{PRODUCT}/stock"), &[&blue.token()]).await.expect(200);
    let skus: Vec<_> = list.body["data"].as_array().unwrap().iter().map(|row| &row["sku"]).collect();
    assert_eq!(skus, ["MUG-BLUE", "MUG-RED"]);
}

#[tokio::test]
async fn of_many_who_want_the_last_piece_one_gets_it() {
    let api = stocked(1).await;
    let wanted = (0..8).map(|number| {
        let api = &api;
        async move { reserve(api, &format!("wanted-{number}"), 1).await }
    });
    let answers = futures::future::join_all(wanted).await;
    let (got, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((got.len(), refused.len()), (1, 7));
    for answer in refused {
        let answer = answer.expect(409);
        assert_eq!(answer.body["code"], "stock-not-enough");
        assert!(answer.body["detail"].as_str().unwrap().contains("only 0 pieces are available"), "{answer:?}");
    }
    assert_eq!(pieces(&api, &got[0]).await, [1, 1, 0]);
    let counted = post(&api, "adjust", "count", json!({"change": -1, "reason": "broken"})).await.expect(409);
    assert_eq!(counted.body["code"], "stock-below-reserved");
}

#[tokio::test]
async fn the_same_reservation_again_keeps_no_more() {
    let api = stocked(5).await;
    let until = minutes_ahead(10);
    let body = |quantity: i64| json!({"reservation": PRODUCT, "quantity": quantity, "until": until});
    let one = post(&api, "reservations", "a", body(2)).await.expect(200);
    let same = post(&api, "reservations", "b", body(2)).await.expect(200);
    assert_eq!((same.header("etag"), &same.body), (one.header("etag"), &one.body));
    assert_eq!(pieces(&api, &same).await, [5, 2, 3]);
    let other = post(&api, "reservations", "c", body(3)).await.expect(409);
    assert_eq!(other.body["code"], "stock-reservation-exists");
    let key = post(&api, "reservations", "a", body(3)).await.expect(422);
    assert_eq!(key.body["code"], "idempotency-key-reused");
}
