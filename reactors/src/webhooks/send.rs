//! One attempt to deliver one message.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response, StatusCode, redirect};
use url::Url;

use super::secret::Secret;
use super::target::Targets;

/// How long a receiver may take, from the name of its host to the head of its answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(15);
/// How much of an answer is read so that the connection can be used again, and for how long.
const DRAINED_BYTES_MAX: usize = 16 * 1024;
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(1);
const REASON_CHARS_MAX: usize = 500;

/// What is sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// By which a receiver knows a repeat.
    pub id: String,
    /// JSON.
    pub body: String,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken: 2xx.
    Delivered(u16),
    /// The receiver wants nothing any more: 410.
    Gone,
    /// Anything else.
    Failed {
        /// The answer, if there was one.
        status: Option<u16>,
        /// What happened, for people.
        why: String,
        /// How long the receiver asks to be left alone.
        retry_after: Option<Duration>,
    },
}

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    http: Client,
    targets: Targets,
}

impl Sender {
    /// Asks no proxy, follows no redirect, and connects only to what it may.
    ///
    /// # Errors
    /// If there is no TLS.
    pub fn new(targets: Targets) -> reqwest::Result<Self> {
        let http = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(ANSWER_WAIT_MAX + DRAIN_WAIT_MAX)
            .dns_resolver(Arc::new(targets))
            .build()?;
        Ok(Self { http, targets })
    }

    /// Sends a message once, signed by each of these secrets: a receiver that changes over knows one of them.
    pub async fn send(&self, url: &str, secrets: &[Secret], message: &Message) -> Outcome {
        let failed = |why: String| Outcome::Failed { status: None, why, retry_after: None };
        let url = match self.targets.read(url) {
            Ok(url) => url,
            Err(unfit) => return failed(format!("nothing may be sent to {url}: {unfit}")),
        };
        let timestamp = platform::clock::now().utc().timestamp();
        let sign = |secret: &Secret| secret.sign(&message.id, timestamp, &message.body);
        let signatures: Vec<String> = secrets.iter().map(sign).collect();
        let request = self
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("handsel/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(message.body.clone());
        match tokio::time::timeout(ANSWER_WAIT_MAX, request.send()).await {
            Err(_) => failed(format!("{} did not answer within {} s", name(&url), ANSWER_WAIT_MAX.as_secs())),
            Ok(Err(error)) => failed(format!("{} cannot be reached: {}", name(&url), causes(&error))),
            Ok(Ok(response)) => answered(&url, response).await,
        }
    }
}

async fn answered(url: &Url, mut response: Response) -> Outcome {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let seconds = header(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let leads_to: String = header(LOCATION).unwrap_or("somewhere else").chars().take(REASON_CHARS_MAX).collect();
    let drained = async {
        let mut left = DRAINED_BYTES_MAX;
        while let Ok(Some(piece)) = response.chunk().await {
            let Some(rest) = left.checked_sub(piece.len()) else { return };
            left = rest;
        }
    };
    // Whoever does not end its answer loses the connection, nothing else.
    let _ = tokio::time::timeout(DRAIN_WAIT_MAX, drained).await;
    let why = match status {
        status if status.is_success() => return Outcome::Delivered(status.as_u16()),
        StatusCode::GONE => return Outcome::Gone,
        status if status.is_redirection() => format!(
            "{} answered {status} and leads to {leads_to}; redirects are not followed, so that a signed event goes \
             only where a person said: set the url of the webhook to where it leads",
            name(url)
        ),
        status => format!("{} answered {status}; only 2xx means that an event was taken", name(url)),
    };
    let retry_after = seconds.map(Duration::from_secs);
    Outcome::Failed { status: Some(status.as_u16()), why, retry_after }
}

/// Where it went, without what may be secret in it.
fn name(url: &Url) -> String {
    url[..url::Position::AfterPort].to_owned()
}

/// The innermost causes say more than the outermost.
fn causes(error: &reqwest::Error) -> String {
    let mut said = Vec::new();
    let mut cause = error.source();
    while let Some(one) = cause {
        said.push(one.to_string());
        cause = one.source();
    }
    if said.is_empty() {
        said.push(error.to_string());
    }
    said.dedup();
    said.join(": ").chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect()
}
