//! `handsel import cdnow FILE`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use platform::bar::Bar;
use platform::clock;

use crate::cdnow::{Importer, Source};
use crate::client::{ClientArgs, OnBar, finish};
use crate::output;

/// Registers the customers of the file and sends every purchase as a command of its own. Ids follow from the file's
/// bytes and the line's number, so that a second import changes nothing.
#[derive(Args, Debug)]
pub struct ImportCdnow {
    /// Columns of white space: customer, date (YYYYMMDD), number of CDs, dollars. A header is allowed; bad lines are
    /// reported with their number and skipped.
    file: PathBuf,

    #[command(flatten)]
    instance: ClientArgs,
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
        let bar = Arc::new(Bar::new("customers", Some(customers)));
        let mut importer =
            Importer::new(Arc::new(source), &self.instance.url, self.instance.limits(), OnBar(bar.clone()))?;
        if let Some(key) = self.instance.admin_key() {
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
        output::line(format!("customers: {}", registered))?;
        output::line(format!("purchases: {}, {bad} bad lines skipped", imported))?;
        let rate = lines as f64 / took.as_secs_f64().max(0.001);
        output::line(format!(
            "{lines} purchases in {:.1} s ({rate:.0}/s); {:.1} s in all",
            took.as_secs_f64(),
            started.elapsed().as_secs_f64()
        ))?;
        let refused = registered.refused + imported.refused;
        Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What an importer that was broken off leaves to know.
fn answered(bar: &Bar, total: u64, what: &str) -> String {
    format!("{} of {total} {what} were answered", bar.done())
}
