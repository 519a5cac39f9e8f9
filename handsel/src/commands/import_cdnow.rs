//! `handsel import cdnow FILE`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use platform::bar::Bar;
use platform::clock;
use platform::data_dir::AdminKey;
use platform::settings::DataSettings;
use url::{Host, Url};

use crate::cdnow::{Importer, Limits, Report, Source, Summary};
use crate::output;

/// Registers the customers of the file and sends every purchase as a command of its own. Ids follow from the file's
/// bytes and the line's number, so that a second import changes nothing.
#[derive(Args, Debug)]
pub struct ImportCdnow {
    /// Columns of white space: customer, date (YYYYMMDD), number of CDs, dollars. A header is allowed; bad lines are
    /// reported with their number and skipped.
    file: PathBuf,

    /// Where the API is.
    #[arg(long, env = "HANDSEL_URL", default_value = "http://127.0.0.1:8420")]
    url: Url,

    /// Requests under way at once, each on a connection of its own.
    #[arg(long, env = "HANDSEL_IMPORT_CONCURRENCY", value_name = "N", default_value_t = 128,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,

    /// Stop trying when the server stays away for so many seconds. [default: never; 30 if it never answered]
    #[arg(long, env = "HANDSEL_IMPORT_GIVE_UP_AFTER", value_name = "SECONDS")]
    give_up_after: Option<u64>,

    /// The data folder of the instance, whose admin key proves who asks.
    #[arg(long, env = "HANDSEL_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Shows on the bar and speaks on standard error.
struct OnBar(Arc<Bar>);

impl Report for OnBar {
    fn answered(&self) {
        self.0.add(1);
    }

    fn say(&self, line: &str) {
        eprintln!("{line}");
    }
}

impl ImportCdnow {
    /// Imports the file.
    ///
    /// # Errors
    /// If the file cannot be read or the server stayed away for too long.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let started = clock::monotonic();
        let source = Source::open(&self.file)?;
        for (number, bad) in &source.bad {
            eprintln!("line {number}: skipped: {bad}");
        }
        let (lines, bad, customers) = (source.purchases, source.bad.len(), source.customers.len() as u64);
        let limits = Limits {
            concurrency: usize::from(self.concurrency),
            give_up_after: self.give_up_after.map(Duration::from_secs),
        };
        let bar = Arc::new(Bar::new("customers", Some(customers)));
        let mut importer = Importer::new(Arc::new(source), &self.url, limits, OnBar(bar.clone()))?;
        if let Some(key) = self.admin_key() {
            importer = importer.bearer(key.expose())?;
        }
        let registered = importer.customers().await.with_context(|| answered(&bar, customers, "customers"))?;
        let purchases = Arc::new(Bar::new("purchases", Some(lines)));
        let importer = importer.reporting_to(OnBar(purchases.clone()));
        finish(bar);
        let sent_at = clock::monotonic();
        let imported = importer.purchases().await.with_context(|| answered(&purchases, lines, "purchases"))?;
        let took = sent_at.elapsed();
        drop(importer);
        finish(purchases);
        output::line(format!("customers: {}", in_words(registered)))?;
        output::line(format!("purchases: {}, {bad} bad lines skipped", in_words(imported)))?;
        let rate = lines as f64 / took.as_secs_f64().max(0.001);
        output::line(format!(
            "{lines} purchases in {:.1} s ({rate:.0}/s); {:.1} s in all",
            took.as_secs_f64(),
            started.elapsed().as_secs_f64()
        ))?;
        let refused = registered.refused + imported.refused;
        Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The key in the data folder, if there is one. It leaves this machine only if its folder was named.
    fn admin_key(&self) -> Option<AdminKey> {
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

/// What an importer that was broken off leaves to know.
fn answered(bar: &Bar, total: u64, what: &str) -> String {
    format!("{} of {total} {what} were answered", bar.done())
}

fn in_words(Summary { imported, already_there, refused }: Summary) -> String {
    format!("{imported} imported, {already_there} already there, {refused} refused")
}

fn finish(bar: Arc<Bar>) {
    // The importer, which shared it, has ended.
    if let Some(bar) = Arc::into_inner(bar) {
        bar.finish();
    }
}

#[cfg(test)]
mod tests;
