//! What a client was answered.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// The parts of an answer that must be the same when the same is asked again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
    pub(crate) version: Option<i64>,
    pub(crate) token: Option<String>,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Option<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.ok()?;
        let body = if text.is_empty() { None } else { Some(serde_json::from_str(&text).ok()?) };
        Some(Self { status, body, version: version(&headers), token: header(&headers, "consistency-token") })
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Nobody knows whether it was done, or it was not: it may be asked again with the same key.
    pub(crate) fn is_open(&self) -> bool {
        self.status >= 500 || self.status == 429 || self.status == 408
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn version(headers: &HeaderMap) -> Option<i64> {
    header(headers, "etag")?.trim_matches('"').parse().ok()
}
