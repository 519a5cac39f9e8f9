//! Where the role `search` answers, and where its indexes lie.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use url::Url;

/// The port of the role `search` where it runs alone.
pub const SEARCH_PORT: u16 = 8422;

/// The role `search`, and how the query API finds it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Search")]
pub struct SearchSettings {
    /// Address on which the role `search` answers the query API, and should be reached by nobody else.
    #[arg(long, env = "HANDSEL_SEARCH_HOST", value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub search_host: IpAddr,

    /// Port of the role `search`; 0 takes a free one. [default: 8422; in `up` a free one]
    #[arg(long, env = "HANDSEL_SEARCH_PORT", value_name = "PORT")]
    pub search_port: Option<u16>,

    /// Where the query API finds the role `search`. [default: http://127.0.0.1:8422; in `up` its own]
    #[arg(long, env = "HANDSEL_SEARCH_URL", value_name = "URL")]
    pub search_url: Option<Url>,

    /// Folder of the search indexes, for one process alone. [default: `search` in the data folder]
    #[arg(long, env = "HANDSEL_SEARCH_DIR", value_name = "DIR")]
    pub search_dir: Option<PathBuf>,
}

impl SearchSettings {
    /// Where to listen; without a choice on this port.
    pub fn address(&self, port: u16) -> SocketAddr {
        (self.search_host, self.search_port.unwrap_or(port)).into()
    }

    /// Where the role is: as it was set, or where this process listens for it, or at its usual port.
    pub fn url(&self, listening: Option<SocketAddr>) -> String {
        let usual = SocketAddr::from(([127, 0, 0, 1], SEARCH_PORT));
        let set = self.search_url.as_ref().map(Url::to_string);
        set.unwrap_or_else(|| format!("http://{}", listening.map_or(usual, reachable)))
    }

    /// The folder of one index.
    pub fn folder(&self, data: &Path, index: &str) -> PathBuf {
        self.search_dir.clone().unwrap_or_else(|| data.join("search")).join(index)
    }
}

/// What listens everywhere is reached through loopback here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    address
}
