//! The load: HTTP/1.1 by hand, so that it takes little of the cores that the servers need; the same for all of them.

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::market::id;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// A connection that is kept.
pub(super) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    got: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::with_capacity(256), got: Vec::with_capacity(4096) })
    }

    /// The body of the product with this number.
    pub(super) async fn get(&mut self, number: u64) -> anyhow::Result<Vec<u8>> {
        let mut name = Uuid::encode_buffer();
        let product = id(number).as_hyphenated().encode_lower(&mut name);
        self.request.clear();
        for part in ["GET /v1/products/", product, " HTTP/1.1\r\nhost: bench\r\naccept: */*\r\n\r\n"] {
            self.request.extend_from_slice(part.as_bytes());
        }
        self.stream.write_all(&self.request).await?;
        self.got.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.got).await? > 0, "the server hung up");
            let Some(head) = self.got.windows(HEAD_END.len()).position(|window| window == HEAD_END) else { continue };
            let (head, body) = (std::str::from_utf8(&self.got[..head])?, head + HEAD_END.len());
            ensure!(head.starts_with("HTTP/1.1 200 "), "answered: {}", String::from_utf8_lossy(&self.got));
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?;
            let end = body + length.parse::<usize>()?;
            while self.got.len() < end {
                ensure!(self.stream.read_buf(&mut self.got).await? > 0, "the server hung up");
            }
            return Ok(self.got[body..end].to_vec());
        }
    }
}
