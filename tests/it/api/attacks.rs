//! Every route of the published description, attacked in every place where it takes something: no answer is a 5xx, and
//! every refusal says what is wrong and where.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::world::{ACCOUNT, Answer, Api, document, explanations, resolved};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// What stands in a path, a query or a header, escaped for a URL.
const TEXTS: [&str; 28] = [
    "%20",
    "%00",
    "%ff",
    "%C3%A9",
    "%F0%9F%98%80",
    "%E2%80%AE",
    "'",
    "%22",
    "%22%22",
    "1%3Bdrop",
    "..%2F..%2Fetc",
    "-1",
    "0",
    "99999999999999999999",
    "1e999",
    "NaN",
    "null",
    "true",
    "[]",
    "{}",
    "*",
    "W/%221%22",
    "-262143-01-01",
    "%2B262142-12-31",
    "0000-00-00",
    "9999-12-31",
    "00000000-0000-0000-0000-000000000000",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];
const BODIES: [&[u8]; 16] = [
    b"",
    b" ",
    b"{",
    b"{}",
    b"[]",
    b"null",
    b"\"",
    b"1e999",
    b"{\"\":{}}",
    b"{\"a\":1,\"a\":1}",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b"{\"name\":\"\\ud800\"}",
    b"{\"name\":\"\\u0000\"}",
    b"{} {}",
    b"{\"orders\":[[[[[[[[{\"order\":[[[[[]]]]]}]]]]]]]]}",
];

fn values() -> Vec<Value> {
    let numbers = [json!(-1), json!(0), json!(1.5), json!(1e300), json!(i64::MIN), json!(u64::MAX)];
    let texts = ["", " ", "\0", "\u{202e}", "x\ny", "-262143-01-01", "+262142-12-31", "2199-12-31", ACCOUNT];
    let others = [json!(null), json!(true), json!([]), json!({}), json!([1, "USD"]), json!({"a": {"b": [null]}})];
    numbers.into_iter().chain(texts.map(Value::from)).chain(others).chain([json!("x".repeat(70_000))]).collect()
}

/// One operation as it is described.
struct Operation {
    method: Method,
    path: String,
    /// Where and what.
    parameters: Vec<(String, String)>,
    body: Option<(String, Value)>,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(document()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let content = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
            all.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                parameters: parameters
                    .map(|one| resolved(&document, one))
                    .map(|one| (text(&one["in"]), text(&one["name"])))
                    .collect(),
                body: content.map(|(kind, content)| (kind.clone(), content["example"].clone())),
            });
        }
    }
    all
}

/// Every place in a document, the whole of it first.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => vec![],
    };
    let below = parts.into_iter().flat_map(|(name, value)| pointers(value, &format!("{at}/{name}")));
    std::iter::once(at.to_owned()).chain(below).collect()
}

impl Operation {
    fn path_with(&self, name: &str, text: &str) -> String {
        let parts = self.path.split('/').map(|part| match part.strip_prefix('{') {
            Some(rest) if rest.trim_end_matches('}') == name => text,
            Some(_) => ACCOUNT,
            None => part,
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Sends the operation as it should be, but for what is said.
    async fn send(&self, api: &Api, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        let (kind, example) = self.body.clone().unwrap_or_default();
        let key = format!("\"{}\"", Uuid::new_v4());
        let usual = [
            ("Content-Type", kind.as_str()),
            ("Handsel-Caller", "ana"),
            ("Idempotency-Key", &key),
            ("If-Match", "\"0\""),
        ];
        let usual = usual.into_iter().filter(|(name, _)| !headers.iter().any(|(own, _)| own == name));
        let lines: Vec<_> =
            usual.chain(headers.iter().copied()).map(|(name, value)| format!("{name}: {value}")).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let body = body.unwrap_or_else(|| if self.body.is_some() { example.to_string().into() } else { vec![] });
        api.send(self.method.clone(), path, &lines, body).await
    }
}

/// Status of each code, as it is explained.
fn statuses() -> &'static BTreeMap<&'static str, u16> {
    static STATUSES: LazyLock<BTreeMap<&'static str, u16>> =
        LazyLock::new(|| explanations().into_iter().map(|one| (one.code, one.status)).collect());
    &STATUSES
}

#[track_caller]
fn check(said: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{said}: {answer:?}");
    if status < 400 {
        return;
    }
    assert_eq!(answer.header("content-type"), "application/problem+json", "{said}: {answer:?}");
    assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{said}: {answer:?}");
    assert!(answer.body["trace_id"].is_string(), "{said}: {answer:?}");
    let code = answer.body["code"].as_str().unwrap_or_else(|| panic!("{said}: {answer:?}"));
    assert_eq!(statuses().get(code), Some(&status), "{said}: {code} is explained with its status");
    if matches!(status, 400 | 412 | 413 | 415 | 422 | 428) {
        assert!(answer.body["errors"][0]["pointer"].is_string(), "{said} names no field: {answer:?}");
    }
}

#[tokio::test]
async fn no_parameter_of_any_route_brings_a_5xx() {
    let api = Api::start().await;
    for operation in operations() {
        for (place, name) in &operation.parameters {
            for text in TEXTS {
                let said = format!("{} {} {place} {name} {text}", operation.method, operation.path);
                let plain = url_decoded(text);
                let (path, header) = match place.as_str() {
                    "path" => (operation.path_with(name, text), None),
                    "query" => (format!("{}?{name}={text}", operation.path_with("", "")), None),
                    _ if plain.contains(['\0', '\n']) => continue,
                    _ => (operation.path_with("", ""), Some((name.as_str(), plain.as_str()))),
                };
                check(&said, &operation.send(&api, &path, header.as_slice(), None).await);
            }
        }
        let path = operation.path_with("", "");
        for query in ["limit=1&limit=1", "%ff=1", "a", "&&&", "=", "limit", "cursor&cursor", "filter[]=x"] {
            check(query, &operation.send(&api, &format!("{path}?{query}"), &[], None).await);
        }
        for kind in ["", "text/plain", "application/xml", "application/json;;;", "é"] {
            check(kind, &operation.send(&api, &path, &[("Content-Type", kind)], None).await);
        }
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let answer = api.send(method.parse().unwrap(), &path, &[], vec![]).await;
            check(&format!("{method} {path}"), &answer);
        }
    }
    for path in ["/", "//", "/v1", "/v2/orders", "/v1/orders/", "/v1/%ff", "/problems/%ff", "/%00", "/v1/orders/x/y"] {
        check(path, &api.get(path, &[]).await);
    }
}

/// As a header holds it; what is no text stays as it is.
fn url_decoded(text: &str) -> String {
    let pairs = url_pairs(text);
    if pairs.contains(char::REPLACEMENT_CHARACTER) { text.to_owned() } else { pairs }
}

fn url_pairs(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', Some(hex)) = (first, tail.get(..2)) {
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn no_body_brings_a_5xx() {
    let api = Api::start().await;
    for operation in operations() {
        let Some((_, example)) = &operation.body else { continue };
        let path = operation.path_with("", "");
        for body in BODIES {
            let said = format!("{path} {}", String::from_utf8_lossy(body));
            check(&said, &operation.send(&api, &path, &[], Some(body.to_vec())).await);
        }
        for deep in ["[", "{\"a\":", "{\"orders\":["] {
            check(deep, &operation.send(&api, &path, &[], Some(deep.repeat(50_000).into())).await);
        }
        for pointer in pointers(example, "") {
            for value in values() {
                let mut body = example.clone();
                *body.pointer_mut(&pointer).unwrap() = value.clone();
                let said = format!("{path} {pointer} {}", value.to_string().chars().take(80).collect::<String>());
                check(&said, &operation.send(&api, &path, &[], Some(body.to_string().into())).await);
            }
            let mut body = example.clone();
            if let Some(fields) = body.pointer_mut(&pointer).and_then(Value::as_object_mut) {
                fields.insert("colour".to_owned(), json!(1));
                check(&pointer, &operation.send(&api, &path, &[], Some(body.to_string().into())).await);
            }
        }
    }
}

#[tokio::test]
async fn what_is_hardly_http_is_refused_and_the_next_request_is_served() {
    let api = Api::start().await;
    let long = "x".repeat(600_000);
    let many: String = (0..300).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let requests: [Vec<u8>; 10] = [
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n").into(),
        b"GET /v1/orders HTTP/9.9\r\nHost: x\r\n\r\n".into(),
        b"GET /v1/orders?\xff HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        b"GET /v1/orders HTTP/1.1\r\nHost: x\r\nHandsel-Caller: \xff\r\n\r\n".into(),
        b"GET /v1/orders HTTP/1.1\r\nHost: x\r\nConsistency-Token: \xff\r\n\r\n".into(),
        b"GET /v1/orders HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n".into(),
        b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".into(),
        b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n".into(),
        b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}"
            .into(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".into(),
    ];
    // What HTTP itself refuses gets a bare status.
    let bare: [(&str, Vec<u8>); 4] = [
        ("431", format!("GET /v1/orders HTTP/1.1\r\nHost: x\r\nX-Junk: {long}\r\n\r\n").into()),
        ("431", format!("GET /v1/orders HTTP/1.1\r\nHost: x\r\n{many}\r\n").into()),
        ("414", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..70_000]).into()),
        ("400", b"GET  /v1/orders\r\n\r\n".into()),
    ];
    for (status, request) in bare {
        let answer = answer_to(&api, &request).await;
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        assert!(answer.is_empty() || answer.ends_with("\r\n\r\n"), "it has a body: {answer}");
    }
    for request in requests {
        let said = String::from_utf8_lossy(&request[..request.len().min(100)]).into_owned();
        let answer = answer_to(&api, &request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{said}: {answer}");
        api.get("/v1/orders", &[]).await.expect(200);
    }
}

/// What comes back before the connection ends.
async fn answer_to(api: &Api, request: &[u8]) -> String {
    let said = String::from_utf8_lossy(&request[..request.len().min(100)]).into_owned();
    let mut stream = TcpStream::connect(api.address()).await.unwrap();
    let mut answer = Vec::new();
    // It may hang up before it has read all.
    _ = stream.write_all(request).await;
    _ = stream.shutdown().await;
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "{said}: it neither answers nor hangs up");
    String::from_utf8_lossy(&answer).into_owned()
}
