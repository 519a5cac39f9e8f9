//! A way to Postgres that can begin to swallow what is sent, as a network does that fails silently, or to falsify it.

use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is written in place of what, as long as that.
type Falsified = Arc<OnceLock<(Vec<u8>, Vec<u8>)>>;

/// Passes on what is sent until it is told to swallow it. It ends with this value.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    swallows: Arc<AtomicBool>,
    falsifies: Falsified,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A proxy before the server of this URL.
    ///
    /// # Panics
    /// If there is no port, or the URL names no server.
    pub async fn before(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).expect("it is a URL of Postgres");
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let url = options.host("127.0.0.1").port(port).to_url_lossy().into();
        let swallows = Arc::new(AtomicBool::new(false));
        let falsifies = Falsified::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, swallows.clone(), falsifies.clone()));
        Self { url, swallows, falsifies, _accepting: accepting }
    }

    /// The way through it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on nothing arrives on the other side, and no connection breaks.
    pub fn swallow(&self) {
        self.swallows.store(true, Ordering::SeqCst);
    }

    /// From now on the server is heard to say something else where it says this.
    ///
    /// # Panics
    /// If both are not of one length, or something else is falsified already.
    pub fn falsify(&self, said: &[u8], heard: &[u8]) {
        assert_eq!(said.len(), heard.len(), "the length of a message must stay");
        self.falsifies.set((said.to_owned(), heard.to_owned())).expect("nothing is falsified yet");
    }

    /// New connections work again. What was swallowed stays lost, and so do the connections that it was sent over.
    pub fn mend(&self) {
        self.swallows.store(false, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, server: String, swallows: Arc<AtomicBool>, falsifies: Falsified) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, server.clone(), swallows.clone(), falsifies.clone()));
    }
}

async fn connect(client: TcpStream, server: String, swallows: Arc<AtomicBool>, falsifies: Falsified) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (client, server) = (client.into_split(), server.into_split());
    let lost = Arc::new(AtomicBool::new(false));
    tokio::join!(
        pass_on(client.0, server.1, swallows.clone(), lost.clone(), Falsified::default()),
        pass_on(server.0, client.1, swallows, lost, falsifies)
    );
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    swallows: Arc<AtomicBool>,
    lost: Arc<AtomicBool>,
    falsifies: Falsified,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read) = from.read(&mut bytes).await
        && read > 0
    {
        if swallows.load(Ordering::SeqCst) {
            lost.store(true, Ordering::SeqCst);
        }
        if let Some((said, heard)) = falsifies.get()
            && let Some(at) = bytes[..read].windows(said.len()).position(|window| window == said)
        {
            bytes[at..at + heard.len()].copy_from_slice(heard);
        }
        if !lost.load(Ordering::SeqCst) && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
