//! Where the instance is, who asks, and how hard it is tried: the same for every command that sends.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use platform::data_dir::AdminKey;
use platform::settings::DataSettings;
use url::{Host, Url};

use super::{Limits, Report, Sender};

/// How a command reaches a running instance.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Running instance")]
pub struct ClientArgs {
    /// Where the API is.
    #[arg(long, env = "HANDSEL_URL", default_value = "http://127.0.0.1:8420")]
    pub url: Url,

    /// Requests under way at once, each on a connection of its own.
    #[arg(long, env = "HANDSEL_IMPORT_CONCURRENCY", value_name = "N", default_value_t = 128,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,

    /// Stop trying when the server stays away for so many seconds. [default: never; 30 if it never answered]
    #[arg(long, env = "HANDSEL_IMPORT_GIVE_UP_AFTER", value_name = "SECONDS")]
    pub give_up_after: Option<u64>,

    /// The data folder of the instance, whose admin key proves who asks.
    #[arg(long, env = "HANDSEL_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl ClientArgs {
    /// A sender to that instance in the name of `caller`.
    ///
    /// # Errors
    /// If the address cannot be used.
    pub fn sender<R: Report>(&self, caller: &'static str, report: R) -> anyhow::Result<Sender<R>> {
        let sender = Sender::new(&self.url, caller, self.limits(), report)?;
        match self.admin_key() {
            Some(key) => sender.bearer(key.expose()),
            None => Ok(sender),
        }
    }

    /// How hard it is tried.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            concurrency: usize::from(self.concurrency),
            give_up_after: self.give_up_after.map(Duration::from_secs),
        }
    }

    /// The key in the data folder, if there is one. It leaves this machine only if its folder was named.
    #[must_use]
    pub fn admin_key(&self) -> Option<AdminKey> {
        if !is_this_machine(&self.url) && self.data_dir.is_none() {
            return None;
        }
        let data = DataSettings { data_dir: self.data_dir.clone(), ..DataSettings::default() };
        AdminKey::read(&data.directory()).unwrap_or_else(|error| {
            eprintln!("going on without an admin key: {error}");
            None
        })
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
