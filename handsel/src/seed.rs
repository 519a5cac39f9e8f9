//! A market to look at, made through commands: people, products, stock, and orders at every stage. The same seed and
//! size always make the same market.

mod dice;
mod market;
mod orders;
mod people;
mod products;
#[cfg(test)]
mod tests;

use std::fmt;

use anyhow::Context as _;

use crate::client::{Job, Report, Sender, Summary};

pub use market::Market;

/// Who the events say has asked.
pub const CALLER: &str = "demo;roles=operator";

/// What became of the jobs of each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// Sellers and customers.
    pub accounts: Summary,
    /// Products with their stock.
    pub products: Summary,
    /// Orders.
    pub orders: Summary,
}

impl Seeded {
    /// How many the server refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.accounts.refused + self.products.refused + self.orders.refused
    }
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accounts, products, orders } = self;
        write!(f, "accounts: {accounts}\nproducts: {products}\norders: {orders}")
    }
}

/// Makes the market, one part after another. What is there stays as it is.
///
/// # Errors
/// If the server stays away for too long, or an order does not get on.
pub async fn make<R: Report>(sender: &Sender<R>, market: &Market) -> anyhow::Result<Seeded> {
    let mut accounts = send(sender, market.accounts()).await.context("accounts")?;
    let products = send(sender, market.products()).await.context("products")?;
    let orders = send(sender, market.orders()).await.context("orders")?;
    // By its being there it is known that everything else is.
    let last = send(sender, vec![market.last_account()]).await.context("accounts")?;
    accounts.imported += last.imported;
    accounts.already_there += last.already_there;
    accounts.refused += last.refused;
    Ok(Seeded { accounts, products, orders })
}

/// Whether the market was begun and not ended.
///
/// # Errors
/// If the server stays away or refuses to say.
pub async fn is_half_made<R: Report>(sender: &Sender<R>, market: &Market) -> anyhow::Result<bool> {
    let is_there = async |account| anyhow::Ok(sender.look(&format!("/v1/accounts/{account}")).await?.is_some());
    Ok(is_there(market.first_account_id()).await? && !is_there(market.last_account_id()).await?)
}

async fn send<R: Report>(sender: &Sender<R>, jobs: Vec<Job>) -> anyhow::Result<Summary> {
    sender.send_all(jobs.into_iter().map(Ok)).await
}
