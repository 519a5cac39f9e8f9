//! Events as they happen: whoever follows them misses none and gets none twice, whatever is cut, restarted or slow.

mod losing;
mod stalling;

use std::collections::BTreeMap;
use std::time::Duration;

use query_api::FeedSettings;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tests::{ETA_MAX, TestApp, World};

use super::world::{ACCOUNT, Api, Patience};

/// A stream that is read.
pub(crate) struct Following {
    response: Response,
    buffer: Vec<u8>,
    /// The last place that was told.
    pub(crate) last_id: String,
}

/// What came, with the name of what is no event of the market.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: Option<String>,
    pub(crate) data: Value,
}

impl Following {
    pub(crate) async fn begin(base: &str, query: &str, last_id: &str) -> Self {
        let mut request = Client::new().get(format!("{base}/v1/events/stream{query}"));
        if !last_id.is_empty() {
            request = request.header("Last-Event-ID", last_id);
        }
        let response = request.send().await.unwrap();
        Self { response, buffer: vec![], last_id: last_id.to_owned() }
    }

    /// The next message; `None` when the stream ended. What was not closed by an empty line did not come.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        assert_eq!(self.response.status(), 200);
        loop {
            while let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(message) = self.dispatch(&String::from_utf8(block).unwrap()) {
                    return Some(message);
                }
            }
            let chunk = tokio::time::timeout(ETA_MAX, self.response.chunk()).await.expect("something comes in time");
            self.buffer.extend(chunk.ok()??);
        }
    }

    fn dispatch(&mut self, block: &str) -> Option<Message> {
        let (mut name, mut data) = (None, String::new());
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.last_id),
                Some(("event", event)) => name = Some(event.to_owned()),
                Some(("data", part)) => data.push_str(part),
                Some(("retry", _)) | Some(("", _)) | None => {}
                Some(other) => panic!("{other:?} is no field of the form"),
            }
        }
        (!data.is_empty()).then(|| Message { name, data: serde_json::from_str(&data).unwrap() })
    }

    /// What the request was answered.
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// So many events.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        while events.len() < count {
            let message = self.next().await.expect("the stream goes on");
            assert_eq!(message.name, None, "{message:?}");
            events.push(message.data);
        }
        events
    }
}

/// Context and position of events.
fn places(events: &[Value]) -> Vec<(String, i64)> {
    let place = |event: &Value| (event["context"].as_str().unwrap().to_owned(), event["position"].as_i64().unwrap());
    events.iter().map(place).collect()
}

fn orders(count: usize) -> Value {
    let total = json!({"amount_minor": 100, "currency": "USD"});
    let order = json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 1, "total": total});
    json!({"orders": vec![order; count]})
}

async fn import(api: &Api, key: &str, count: usize) {
    let key = format!("Idempotency-Key: {key}");
    api.post("/v1/orders/import-batch", &["Handsel-Caller: ana", &key], &orders(count)).await.expect(200);
}

#[tokio::test]
async fn what_happens_comes_in_its_order_and_what_is_personal_stays_sealed() {
    let api = Api::start().await;
    import(&api, "a", 3).await;
    let mut following = api.follow("?from=start", "").await;
    assert_eq!(following.response.headers()["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(following.response.headers()["cache-control"], "no-store");
    let before = following.take(3).await;
    let account = json!({"name": "Zebedee Quux", "email": "zebedee@example.org"});
    api.post("/v1/accounts", &["Handsel-Caller: ana", "Idempotency-Key: z"], &account).await.expect(201);
    import(&api, "b", 2).await;
    let after = following.take(3).await;
    let all = [before, after].concat();
    let expected = [("orders", 1), ("orders", 2), ("orders", 3), ("identity", 1), ("orders", 4), ("orders", 5)];
    assert_eq!(places(&all), expected.map(|(context, position)| (context.to_owned(), position)));
    assert!(all[3]["event_type"] == "AccountRegistered" && all[3]["data"]["name"]["sealed"].is_string(), "{}", all[3]);
    let text = json!(all).to_string();
    assert!(!text.contains("Zebedee") && !text.contains("zebedee@"), "{text}");
    // The list of events shows the same of each.
    let token = import_token(&api).await;
    let listed = api.get("/v1/events?filter[context]=orders&limit=5", &[&token]).await.expect(200);
    let orders: Vec<_> = all.iter().filter(|event| event["context"] == "orders").cloned().collect();
    assert_eq!(listed.body["data"], json!(orders));
    let id = following.last_id.clone();
    assert!(id.starts_with("identity=1@") && id.contains(",orders=5@") && id.contains(",products=0@"), "{id}");
}

async fn import_token(api: &Api) -> String {
    let headers = ["Handsel-Caller: ana", "Idempotency-Key: b"];
    api.post("/v1/orders/import-batch", &headers, &orders(2)).await.expect(200).token()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_two_hundred_times_misses_and_doubles_nothing() {
    const CUTS: usize = 200;
    let api = Api::start().await;
    let (mut events, mut last_id, mut seed) =
        (Vec::new(), "orders=0,identity=0,products=0,payments=0".to_owned(), 7_u64);
    let total = 1_000;
    let writing = async {
        for batch in 0..total / 10 {
            import(&api, &format!("cut-{batch}"), 10).await;
        }
    };
    let reading = async {
        for _ in 0..CUTS {
            let mut following = api.follow("", &last_id).await;
            // A fixed walk through the numbers from 0 to 6: how many come before the cut, which may be in the middle.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            for _ in 0..(seed >> 33) % 7 {
                if events.len() == total {
                    break;
                }
                events.push(following.next().await.expect("the stream goes on").data);
            }
            last_id = following.last_id;
        }
    };
    tokio::join!(writing, reading);
    let mut following = api.follow("", &last_id).await;
    events.extend(following.take(total - events.len()).await);
    let expected: Vec<_> =
        (1..=i64::try_from(total).unwrap()).map(|position| ("orders".to_owned(), position)).collect();
    assert_eq!(places(&events), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_after_a_restart_goes_on_where_it_was() {
    let World { app, broker, database } = World::start().await;
    let import = async |app: &TestApp, key: &str| {
        _ = app.post("/v1/orders/import-batch", key, &orders(5)).await.ok();
    };
    import(&app, "one").await;
    let mut following = Following::begin(&app.url, "?from=start", "").await;
    let mut events = following.take(3).await;
    app.stop().await;
    // What was on its way may still come; then the stream ends, and does not keep the program from ending.
    let mut rest = BTreeMap::new();
    while let Some(message) = following.next().await {
        rest.insert(message.data["position"].as_i64().unwrap(), message.data);
    }
    events.extend(rest.into_values());
    let app = TestApp::start(&database, &broker, &handsel::roles::Role::ALL).await;
    import(&app, "two").await;
    let mut following = Following::begin(&app.url, "", &following.last_id).await;
    events.extend(following.take(10 - events.len()).await);
    assert_eq!(places(&events), (1..=10).map(|position| ("orders".to_owned(), position)).collect::<Vec<_>>());
    drop(following);
    app.stop().await;
}

#[tokio::test]
async fn only_what_is_wanted_comes_and_what_is_passed_is_told_by_the_heartbeat() {
    let feed = FeedSettings { heartbeat: Duration::from_millis(100), ..FeedSettings::default() };
    let api = Api::start_with(Patience { feed, ..Patience::default() }).await;
    let mut registered = api.follow("?filter[type]=identity.account-registered,OrderPlaced", "").await;
    let mut in_orders = api.follow("?filter[context]=orders,products&from=start", "").await;
    import(&api, "a", 2).await;
    let account = json!({"name": "Ana", "email": "ana@example.org"});
    let made = api.post("/v1/accounts", &["Handsel-Caller: ana", "Idempotency-Key: z"], &account).await.expect(201);
    let id = made.header("location").rsplit('/').next().unwrap().to_owned();
    let patch = ["content-type: application/merge-patch+json", "Handsel-Caller: ana", "If-Match: \"1\""];
    api.send(reqwest::Method::PATCH, made.header("location"), &patch, json!({"name": "Anna"}).to_string())
        .await
        .expect(204);
    assert_eq!(registered.take(1).await[0]["aggregate_id"], id.as_str());
    assert_eq!(places(&in_orders.take(2).await), [("orders".to_owned(), 1), ("orders".to_owned(), 2)]);
    assert!(in_orders.last_id.starts_with("orders=2@") && !in_orders.last_id.contains("identity"));
    // The change of name was not wanted; a heartbeat says that it was passed.
    while !registered.last_id.starts_with("identity=2@") {
        let chunk = tokio::time::timeout(ETA_MAX, registered.response.chunk()).await.expect("a heartbeat comes");
        registered.buffer.extend(chunk.unwrap().unwrap());
        if registered.buffer.ends_with(b"\n\n") {
            let blocks = String::from_utf8(std::mem::take(&mut registered.buffer)).unwrap();
            assert!(registered.dispatch(&blocks).is_none(), "{blocks}");
        }
    }
    let mut of_one = api.follow(&format!("?from=identity=1&filter[context]=identity&filter[aggregate]={id}"), "").await;
    assert_eq!(of_one.take(1).await[0]["event_type"], "AccountRenamed");
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_with_a_word_on_why() {
    let api = Api::start().await;
    import(&api, "a", 2).await;
    for (query, header, pointer) in [
        ("?filter[context]=gigs", "", "filter[context]"),
        ("?filter[type]=OrderPlced", "", "filter[type]"),
        ("?filter[type]=OrderPlaced&filter[context]=products", "", "filter[type]"),
        ("?filter[aggregate]=", "", "filter[aggregate]"),
        ("?filtre[type]=OrderPlaced", "", "filtre[type]"),
        ("?from=yesterday", "", "from"),
        ("?from=orders=3", "", "from"),
        ("?from=orders=1,orders=1", "", "from"),
        ("", "orders", "Last-Event-ID"),
        ("", "orders=2@zzz", "Last-Event-ID"),
        ("", "orders=-1", "Last-Event-ID"),
    ] {
        let headers = format!("Last-Event-ID: {header}");
        let answer = api.get(&format!("/v1/events/stream{query}"), &[&headers]).await.expect(400);
        assert_eq!(answer.body["code"], "bad-parameter", "{query} {header}");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{query} {header}: {}", answer.body);
    }
}
