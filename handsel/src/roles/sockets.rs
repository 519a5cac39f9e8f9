//! The ports of a process, taken before anything else is started: a port in use is found at once.

use std::net::SocketAddr;

use anyhow::Context as _;
use platform::settings::HttpSettings;
use tokio::net::TcpListener;

use crate::failure;

/// Listening sockets.
#[derive(Debug)]
pub struct Sockets {
    api: Option<TcpListener>,
    admin: TcpListener,
    api_port: u16,
    admin_port: u16,
}

impl Sockets {
    /// Listens for the admin and, if asked, for callers.
    ///
    /// # Errors
    /// If a port is in use or not allowed.
    pub async fn open(http: &HttpSettings, with_api: bool) -> anyhow::Result<Self> {
        let (mut api, mut api_port) = (None, 0);
        if with_api {
            let listener = listen((http.host, http.port).into(), "--port").await?;
            api_port = listener.local_addr().context("asking for the port of the API")?.port();
            api = Some(listener);
        }
        let admin = listen((http.host, http.admin_port).into(), "--admin-port").await?;
        let admin_port = admin.local_addr().context("asking for the admin port")?.port();
        Ok(Self { api, admin, api_port, admin_port })
    }

    /// The port of the API; 0 without one.
    #[must_use]
    pub fn api_port(&self) -> u16 {
        self.api_port
    }

    /// The admin port.
    #[must_use]
    pub fn admin_port(&self) -> u16 {
        self.admin_port
    }

    pub(super) fn into_listeners(self) -> (Option<TcpListener>, TcpListener) {
        (self.api, self.admin)
    }
}

async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| failure::cannot_listen(address, setting, &error))
}
