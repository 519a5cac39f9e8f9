//! One keep-alive connection over which requests go one after another.
//!
//! hyper's bare connection instead of a pooling client: an import shares the machine with the server, and every
//! microsecond of the client is missing there.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, IF_MATCH, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

use super::job;

/// A request without an answer after this long counts as lost.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where the commands go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    address: String,
    host: HeaderValue,
    prefix: String,
    /// How the caller proves who it is.
    authorization: Option<HeaderValue>,
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// When it asks to be asked again.
    pub(crate) retry_after: Option<Duration>,
    /// The answer to an earlier request with this key.
    pub(crate) replayed: bool,
    /// The body of a refusal.
    pub(crate) body: Bytes,
}

/// Nobody knows whether the request was carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("cannot connect to {0}: {1}")]
    Connect(String, std::io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("no answer within {ANSWER_WAIT_MAX:?}")]
    Silent,
    #[error("the answer cannot be read: {0}")]
    Unreadable(Box<dyn std::error::Error + Send + Sync>),
}

impl Target {
    /// The server at an address such as `http://127.0.0.1:8420`.
    pub(crate) fn new(url: &Url) -> anyhow::Result<Self> {
        anyhow::ensure!(
            url.scheme() == "http",
            "{url} cannot be used: this command speaks plain http; run it on the server's machine or through a tunnel"
        );
        let host = url.host_str().ok_or_else(|| anyhow::anyhow!("{url} names no host; write http://HOST:PORT"))?;
        let address = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
        let host = HeaderValue::from_str(&address)?;
        Ok(Self { address, host, prefix: url.path().trim_end_matches('/').to_owned(), authorization: None })
    }

    /// The same with a bearer token.
    pub(crate) fn bearer(mut self, token: &str) -> anyhow::Result<Self> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// A command in JSON, or without a body.
    pub(crate) fn command(&self, command: job::Request, caller: &HeaderValue) -> anyhow::Result<Message> {
        let mut request = self.request(command.method, &command.path, caller);
        if !command.body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(version) = command.expected {
            request = request.header(IF_MATCH, format!("\"{version}\""));
        }
        let request = request.header("idempotency-key", format!("\"{}\"", command.key));
        Ok(Message(request.body(Full::new(Bytes::from(command.body)))?))
    }

    /// A look at what lies at a path.
    pub(crate) fn look(&self, path: &str, caller: &HeaderValue) -> anyhow::Result<Message> {
        Ok(Message(self.request(Method::GET, path, caller).body(Full::default())?))
    }

    fn request(&self, method: Method, path: &str, caller: &HeaderValue) -> hyper::http::request::Builder {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.prefix));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.header(HOST, self.host.clone()).header("handsel-caller", caller.clone())
    }
}

/// A request that can be sent again: the body is shared, not copied.
pub(crate) struct Message(Request<Full<Bytes>>);

/// Connects when it is first needed, and again after a loss.
pub(crate) struct Connection {
    target: Target,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, open: None }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&mut self, message: &Message) -> Result<Answer, Lost> {
        let mut open = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            _ => self.connect().await?,
        };
        open.ready().await?;
        let exchange = async {
            let (parts, body) = open.send_request(message.0.clone()).await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(Lost::Unreadable)?.to_bytes();
            let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
            Ok::<_, Lost>(Answer {
                status: parts.status,
                retry_after: header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok()).map(Duration::from_secs),
                replayed: header("idempotent-replayed") == Some("true"),
                body,
            })
        };
        let answer = tokio::time::timeout(ANSWER_WAIT_MAX, exchange).await.map_err(|_| Lost::Silent)??;
        self.open = Some(open);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Lost> {
        let failed = |error| Lost::Connect(self.target.address.clone(), error);
        let stream = tokio::time::timeout(CONNECT_WAIT_MAX, TcpStream::connect(&self.target.address))
            .await
            .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (open, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the connection; whoever waits for an answer hears of it.
        tokio::spawn(connection);
        Ok(open)
    }
}
