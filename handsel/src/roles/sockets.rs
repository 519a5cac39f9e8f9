//! The ports of a process, taken before anything else is started: a port in use is found at once.

use std::net::SocketAddr;

use anyhow::Context as _;
use platform::settings::{HttpSettings, SearchSettings};
use tokio::net::TcpListener;

use crate::failure;

/// Listening sockets.
#[derive(Debug)]
pub struct Sockets {
    api: Option<(TcpListener, SocketAddr)>,
    search: Option<(TcpListener, SocketAddr)>,
    admin: (TcpListener, SocketAddr),
}

/// The same without their addresses.
pub(super) struct Listeners {
    pub(super) api: Option<TcpListener>,
    pub(super) search: Option<TcpListener>,
    pub(super) admin: TcpListener,
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
        Ok(Self { api, search: None, admin })
    }

    /// Listens for the query API too, on this port unless another was set.
    ///
    /// # Errors
    /// As [`Sockets::open`].
    pub async fn with_search(self, search: &SearchSettings, port: u16) -> anyhow::Result<Self> {
        let listening = listen(search.address(port), "--search-port").await?;
        if !listening.1.ip().is_loopback() {
            let address = listening.1;
            tracing::warn!(%address, "Answering searches on {address}: whoever reaches it may ask without a name");
        }
        Ok(Self { search: Some(listening), ..self })
    }

    /// Where searches are answered, if they are.
    #[must_use]
    pub fn search_address(&self) -> Option<SocketAddr> {
        self.search.as_ref().map(|(_, address)| *address)
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

    pub(super) fn into_listeners(self) -> Listeners {
        let listener = |(listener, _)| listener;
        Listeners { api: self.api.map(listener), search: self.search.map(listener), admin: self.admin.0 }
    }
}

async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| failure::cannot_listen(address, setting, &error))?;
    let address = listener.local_addr().context("asking where it listens")?;
    Ok((listener, address))
}
