//! Sends customers and purchases as commands, each until it is answered.

use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use hyper::Method;
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::{Purchase, Source};
use crate::client::{Job, Limits, Report, Request, Sender, Summary};

/// Who the events say has asked.
const CALLER: &str = "import-cdnow;roles=operator";

/// One file on its way to one server.
pub struct Importer<R> {
    source: Arc<Source>,
    sender: Sender<R>,
}

#[derive(Serialize)]
struct Register<'a> {
    account: Uuid,
    name: String,
    email: String,
    reference: &'a str,
}

#[derive(Serialize)]
struct ImportOrder {
    order: Uuid,
    customer: Uuid,
    ordered_on: chrono::NaiveDate,
    units: u32,
    total: Total,
}

#[derive(Serialize)]
struct Total {
    amount_minor: i64,
    currency: &'static str,
}

impl<R: Report> Importer<R> {
    /// Prepares to send a file.
    ///
    /// # Errors
    /// If the address cannot be used.
    pub fn new(source: Arc<Source>, url: &Url, limits: Limits, report: R) -> anyhow::Result<Self> {
        Ok(Self { source, sender: Sender::new(url, CALLER, limits, report)? })
    }

    /// Sends a bearer token along.
    ///
    /// # Errors
    /// If it is none.
    pub fn bearer(self, token: &str) -> anyhow::Result<Self> {
        Ok(Self { source: self.source, sender: self.sender.bearer(token)? })
    }

    /// The same import, reporting to somebody else.
    pub fn reporting_to<T: Report>(self, report: T) -> Importer<T> {
        Importer { source: self.source, sender: self.sender.reporting_to(report) }
    }

    /// Registers every customer of the file.
    ///
    /// # Errors
    /// If the server stayed away for too long.
    pub async fn customers(&self) -> anyhow::Result<Summary> {
        let source = self.source.clone();
        let names: Vec<String> = source.customers.iter().cloned().collect();
        self.sender.send_all(names.into_iter().map(move |customer| register(&source, &customer))).await
    }

    /// Sends every purchase of the file.
    ///
    /// # Errors
    /// If the file cannot be read any more or the server stayed away for too long.
    pub async fn purchases(&self) -> anyhow::Result<Summary> {
        let source = self.source.clone();
        let lines = source.purchases()?;
        let jobs = lines.map(move |line: io::Result<(u64, Purchase)>| {
            let (number, purchase) = line.context("reading the file again")?;
            import_order(&source, number, &purchase)
        });
        self.sender.send_all(jobs).await
    }
}

fn register(source: &Source, customer: &str) -> anyhow::Result<Job> {
    let name = format!("customer {customer}");
    let body = serde_json::to_vec(&Register {
        account: source.id_of(&name),
        name: format!("Customer {customer}"),
        email: format!("{customer}@cdnow.example"),
        reference: customer,
    })?;
    Ok(job(source, name, "/v1/accounts", body))
}

fn import_order(source: &Source, number: u64, purchase: &Purchase) -> anyhow::Result<Job> {
    let name = format!("line {number}");
    let body = serde_json::to_vec(&ImportOrder {
        order: source.id_of(&name),
        customer: source.id_of(&format!("customer {}", purchase.customer)),
        ordered_on: purchase.ordered_on,
        units: purchase.units,
        total: Total { amount_minor: purchase.amount_minor, currency: "USD" },
    })?;
    Ok(job(source, name, "/v1/orders/import", body))
}

fn job(source: &Source, name: String, path: &str, body: Vec<u8>) -> Job {
    let key = Uuid::new_v5(&source.id_of("keys"), name.as_bytes()).to_string();
    Job::of(name, Request { method: Method::POST, path: path.to_owned(), key, body, expected: None })
}

#[cfg(test)]
mod tests;
