//! A `redis-server` of a test, which can be frozen and killed.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use tests::{ETA_MAX, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// It ends with this value.
pub(super) struct RedisServer {
    /// Where it is.
    pub(super) url: String,
    exe: PathBuf,
    port: u16,
    child: Child,
}

impl RedisServer {
    /// On a free port of loopback, in memory alone; `None` if it is not installed.
    pub(super) async fn start() -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let exe =
            std::env::split_paths(&paths).map(|folder| folder.join("redis-server")).find(|path| path.is_file())?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = spawn(&exe, port);
        let server = Self { url: format!("redis://127.0.0.1:{port}"), exe, port, child };
        server.until_there().await;
        Some(server)
    }

    /// It keeps its connections, takes new ones, and answers nothing.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// It goes on.
    pub(super) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// It is gone with all that it had.
    pub(super) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// An empty one, where it was.
    pub(super) async fn start_again(&mut self) {
        self.child = spawn(&self.exe, self.port);
        self.until_there().await;
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    async fn until_there(&self) {
        until("redis-server answers", ETA_MAX, async || {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else { return false };
            let mut answer = [0; 5];
            stream.write_all(b"PING\r\n").await.is_ok()
                && stream.read_exact(&mut answer).await.is_ok()
                && &answer == b"+PONG"
        })
        .await;
    }
}

fn spawn(exe: &PathBuf, port: u16) -> Child {
    Command::new(exe)
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
