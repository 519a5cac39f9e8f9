//! Follows the events of a running instance over HTTP, and goes on where it was when the connection breaks.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

/// How long the way to the server may take.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// The server says something every 15 seconds; one that says nothing for so long is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long to wait before coming back, at first and at last.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a server that never answered is tried.
const FIRST_WAIT_MAX: Duration = Duration::from_secs(30);
/// How much of one message is taken in. An event has at most 512 KiB.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Which events, and from where on.
#[derive(Args, Clone, Debug)]
pub struct Wanted {
    /// Only these contexts, separated by commas. [default: all]
    #[arg(long, value_name = "NAME,…")]
    pub context: Option<String>,

    /// Only these types, such as `orders.order-placed`, separated by commas. [default: all]
    #[arg(long, value_name = "NAME,…")]
    pub r#type: Option<String>,

    /// Only what happens to this thing.
    #[arg(long, value_name = "ID")]
    pub aggregate: Option<String>,

    /// `now`, `start`, or a place after which to begin, such as `orders=17`. It is told at the end.
    #[arg(long, value_name = "PLACE", default_value = "now")]
    pub from: String,

    /// Where the API is.
    #[arg(long, env = "HANDSEL_URL", default_value = "http://127.0.0.1:8420")]
    pub url: Url,
}

/// An event as it was sent.
#[derive(Clone, Debug)]
pub struct Event {
    /// Where to go on after it.
    pub id: String,
    /// What it is.
    pub data: Value,
}

/// Reads events one after another, from one connection after another.
pub struct Follower {
    http: Client,
    url: Url,
    last_id: Option<String>,
    connection: Option<Connection>,
    ever: bool,
}

struct Connection {
    response: Response,
    buffer: Vec<u8>,
    /// How much of the buffer holds no end of a message.
    looked_at: usize,
}

/// What a connection brought.
enum Came {
    Event(Event),
    /// Something to be told, which is no event.
    Notice(String),
    /// The place was lost: nobody can go on from here.
    Lost(String),
}

impl Follower {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// If the URL cannot lead to an API.
    pub fn new(wanted: &Wanted) -> anyhow::Result<Self> {
        let mut url = wanted.url.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("{} cannot be used: write http://HOST:PORT", wanted.url))?
            .pop_if_empty()
            .extend(["v1", "events", "stream"]);
        let filters = [
            ("filter[context]", wanted.context.as_deref()),
            ("filter[type]", wanted.r#type.as_deref()),
            ("filter[aggregate]", wanted.aggregate.as_deref()),
            ("from", Some(wanted.from.as_str())),
        ];
        let given = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url.query_pairs_mut().extend_pairs(given);
        let http = Client::builder().connect_timeout(CONNECT_WAIT_MAX).build()?;
        Ok(Self { http, url, last_id: None, connection: None, ever: false })
    }

    /// The place up to which everything was read.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Connects, and learns where it begins: from now on nothing is missed.
    ///
    /// # Errors
    /// As [`Follower::next`].
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        while self.last_id.is_none() {
            let mut connection = self.connect().await?;
            // The first message is the place, and no event.
            if connection.first(&mut self.last_id).await.is_ok() {
                self.connection = Some(connection);
            }
        }
        Ok(())
    }

    /// The next event. Comes back by itself where the connection breaks.
    ///
    /// # Errors
    /// If the server refuses, was never there, or lost what was read.
    pub async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                None => {
                    let made = self.connect().await?;
                    self.connection.insert(made)
                }
            };
            match connection.read(&mut self.last_id).await {
                Ok(Some(Came::Event(event))) => return Ok(event),
                Ok(Some(Came::Notice(text))) => eprintln!("{text}"),
                Ok(Some(Came::Lost(text))) => anyhow::bail!(text),
                Ok(None) => self.connection = None,
                Err(error) => {
                    tracing::debug!(%error, "The connection broke");
                    self.connection = None;
                }
            }
        }
    }

    async fn connect(&mut self) -> anyhow::Result<Connection> {
        let (begun, mut pause, mut said) = (Instant::now(), PAUSE_MIN, false);
        loop {
            let mut request = self.http.get(self.url.clone());
            if let Some(id) = &self.last_id {
                request = request.header("Last-Event-ID", id);
            }
            let why = match timeout(SILENCE_MAX, request.send()).await {
                Ok(Ok(response)) if response.status() == StatusCode::OK => {
                    self.ever = true;
                    return Ok(Connection { response, buffer: vec![], looked_at: 0 });
                }
                Ok(Ok(response)) => refusal(response).await?,
                Ok(Err(error)) => {
                    anyhow::Error::new(error).context(format!("{} does not answer", self.url.authority()))
                }
                Err(_) => anyhow::anyhow!("{} does not answer", self.url.authority()),
            };
            if !self.ever && begun.elapsed() > FIRST_WAIT_MAX {
                return Err(why.context("start `handsel up`, or name the instance with --url"));
            }
            if !std::mem::replace(&mut said, true) {
                eprintln!("{}; trying again", crate::failure::one_line(&why));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Why the server refused, if it may do otherwise later.
async fn refusal(response: Response) -> anyhow::Result<anyhow::Error> {
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    let detail = body["detail"].as_str().unwrap_or("it gives no reason");
    let why = anyhow::anyhow!("the server refused ({status}): {detail}");
    let later = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    if later { Ok(why) } else { Err(why) }
}

impl Connection {
    /// Reads the message that says where the stream begins.
    async fn first(&mut self, last_id: &mut Option<String>) -> anyhow::Result<()> {
        while last_id.is_none() {
            if let Some(block) = self.block() {
                _ = dispatch(&block, last_id);
                continue;
            }
            let chunk = timeout(SILENCE_MAX, self.response.chunk()).await.context("the server says nothing")?;
            self.buffer.extend_from_slice(&chunk?.context("the server ended the stream")?);
        }
        Ok(())
    }

    /// `None` when the server ended the stream.
    async fn read(&mut self, last_id: &mut Option<String>) -> anyhow::Result<Option<Came>> {
        loop {
            while let Some(block) = self.block() {
                if let Some(came) = dispatch(&block, last_id) {
                    return Ok(Some(came));
                }
            }
            anyhow::ensure!(self.buffer.len() <= MESSAGE_BYTES_MAX, "a message is too long");
            let chunk =
                timeout(SILENCE_MAX, self.response.chunk()).await.context("the server says nothing any more")?;
            match chunk? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// The next message that is there whole.
    fn block(&mut self) -> Option<String> {
        let from = self.looked_at.saturating_sub(1);
        let Some(end) = self.buffer[from..].windows(2).position(|two| two == b"\n\n") else {
            self.looked_at = self.buffer.len();
            return None;
        };
        let block: Vec<u8> = self.buffer.drain(..from + end + 2).collect();
        self.looked_at = 0;
        Some(String::from_utf8_lossy(&block).into_owned())
    }
}

fn dispatch(block: &str, last_id: &mut Option<String>) -> Option<Came> {
    let (mut name, mut data) = ("", String::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => *last_id = Some(value.to_owned()),
            "event" => name = value,
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            _ => {}
        }
    }
    if data.is_empty() {
        return None;
    }
    let data: Value = serde_json::from_str(&data).unwrap_or_default();
    let detail = || data["detail"].as_str().unwrap_or_default().to_owned();
    match name {
        "" | "message" => Some(Came::Event(Event { id: last_id.clone().unwrap_or_default(), data })),
        "lost" => Some(Came::Lost(detail())),
        _ => Some(Came::Notice(detail())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_message_whatever_its_lines_and_a_comment_is_none() {
        let mut id = None;
        let Some(Came::Event(event)) = dispatch("id: orders=1\ndata: {\"a\":\ndata: 1}\n\n", &mut id) else {
            panic!("it is an event")
        };
        assert_eq!((event.id.as_str(), &event.data["a"]), ("orders=1", &1.into()));
        assert!(dispatch(": still here\nid: orders=2\n\n", &mut id).is_none());
        assert_eq!(id.as_deref(), Some("orders=2"));
        let told = dispatch("event: lost\ndata: {\"detail\":\"gone\"}\n\n", &mut id);
        assert!(matches!(told, Some(Came::Lost(why)) if why == "gone"));
    }
}
