//! The ports of a process, taken before anything else is started: a port in use is found at once.

use std::net::SocketAddr;

use anyhow::Context as _;
use platform::settings::HttpSettings;
use tokio::net::TcpListener;

use crate::failure;

/// Listening sockets.
#[derive(Debug)]
pub struct Sockets {
    api: Option<(TcpListener, SocketAddr)>,
    admin: (TcpListener, SocketAddr),
}

impl Sockets {
    /// Listens for the admin and, if asked, for callers.
    ///
    /// # Errors
    /// If a port is in use or not allowed.
    pub async fn open(http: &HttpSettings, with_api: bool) -> anyhow::Result<Self> {
        let api = match with_api {
            true => Some(listen((http.host, http.port).into(), "--port").await?),
            false => None,
        };
        let admin = listen((http.host, http.admin_port).into(), "--admin-port").await?;
        if let Some((_, address)) = api.as_ref().filter(|(_, address)| !address.ip().is_loopback()) {
            tracing::warn!(
                %address,
                "Listening on {address}: whoever reaches it is believed to be who the header Handsel-Caller says"
            );
        }
        Ok(Self { api, admin })
    }

    /// Where the API is, if there is one.
    #[must_use]
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.as_ref().map(|(_, address)| *address)
    }

    /// Where the admin listener is.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.1
    }

    /// The port of the API; 0 without one.
    #[must_use]
    pub fn api_port(&self) -> u16 {
        self.api_address().map_or(0, |address| address.port())
    }

    /// The admin port.
    #[must_use]
    pub fn admin_port(&self) -> u16 {
        self.admin_address().port()
    }

    pub(super) fn into_listeners(self) -> (Option<TcpListener>, TcpListener) {
        (self.api.map(|(listener, _)| listener), self.admin.0)
    }
}

async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| failure::cannot_listen(address, setting, &error))?;
    let address = listener.local_addr().context("asking where it listens")?;
    Ok((listener, address))
}
