//! All of a market before it is made.

use std::collections::BTreeMap;

use event_schemas::Sku;
use uuid::Uuid;

use super::dice::Dice;
use super::{orders, people, products};
use crate::client::Job;

/// What a seed and a size stand for.
#[derive(Clone, Debug)]
pub struct Market {
    namespace: Uuid,
    seed: u64,
    /// How many orders there are.
    size: usize,
    pub(super) sellers: usize,
    pub(super) customers: usize,
    products: usize,
}

impl Market {
    /// A market of so many orders; people and products are fewer.
    #[must_use]
    pub fn new(seed: u64, size: u32) -> Self {
        let named = format!("handsel demo market {seed} of {size}");
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Self {
            namespace: Uuid::new_v5(&Uuid::NAMESPACE_OID, named.as_bytes()),
            seed,
            size,
            sellers: (size / 50).clamp(2, 100),
            customers: (size / 4).max(4),
            products: (size / 6).clamp(8, 5_000),
        }
    }

    /// How many jobs make it.
    #[must_use]
    pub fn jobs(&self) -> u64 {
        (self.sellers + self.customers + self.products + self.size) as u64
    }

    /// Everybody but the last customer, who buys nothing.
    #[must_use]
    pub fn accounts(&self) -> Vec<Job> {
        let mut all = self.people();
        all.pop();
        all
    }

    /// The one who comes when everything else is there.
    ///
    /// # Panics
    /// Never: there are always customers.
    #[must_use]
    pub fn last_account(&self) -> Job {
        self.people().pop().expect("there are always customers")
    }

    /// Products with their stock.
    #[must_use]
    pub fn products(&self) -> Vec<Job> {
        let (products, orders) = self.plans();
        let mut wanted: BTreeMap<(usize, &Sku), u64> = BTreeMap::new();
        for (place, sku, quantity) in orders.iter().flat_map(|order| &order.lines) {
            *wanted.entry((*place, sku)).or_default() += quantity;
        }
        let job = |(place, plan)| {
            products::job(self, place, plan, |sku| wanted.get(&(place, sku)).copied().unwrap_or_default())
        };
        products.iter().enumerate().map(job).collect()
    }

    /// Orders, each with what became of it.
    #[must_use]
    pub fn orders(&self) -> Vec<Job> {
        let (products, orders) = self.plans();
        let mut dice = self.dice("parcels");
        let job = |(index, plan)| orders::job(self, index, plan, &products, &mut dice);
        orders.iter().enumerate().map(job).collect()
    }

    /// Who is registered first.
    #[must_use]
    pub fn first_account_id(&self) -> Uuid {
        self.seller_id(0)
    }

    /// Who is registered last.
    #[must_use]
    pub fn last_account_id(&self) -> Uuid {
        self.customer_id(self.customers - 1)
    }

    pub(super) fn plans(&self) -> (Vec<products::Plan>, Vec<orders::Plan>) {
        let mut dice = self.dice("products");
        let products: Vec<_> = (0..self.products).map(|index| products::plan(self, index, &mut dice)).collect();
        let popular = orders::Popular::new(self, &products);
        let mut dice = self.dice("orders");
        let orders = (0..self.size).map(|index| orders::plan(self, index, &products, &popular, &mut dice)).collect();
        (products, orders)
    }

    fn people(&self) -> Vec<Job> {
        let mut dice = self.dice("people");
        let sellers: Vec<_> = (0..self.sellers).map(|index| people::seller(self, index, &mut dice)).collect();
        let customers = (0..self.customers).map(|index| people::customer(self, index, &mut dice));
        sellers.into_iter().chain(customers).collect()
    }

    pub(super) fn seller_id(&self, index: usize) -> Uuid {
        self.id("seller", index)
    }

    pub(super) fn customer_id(&self, index: usize) -> Uuid {
        self.id("customer", index)
    }

    pub(super) fn id(&self, kind: &str, index: usize) -> Uuid {
        Uuid::new_v5(&self.namespace, format!("{kind} {}", index + 1).as_bytes())
    }

    /// Each part has dice of its own, so that a change of one leaves the others as they are.
    fn dice(&self, part: &str) -> Dice {
        let own = Uuid::new_v5(&self.namespace, part.as_bytes());
        Dice::new(self.seed ^ own.as_u64_pair().0)
    }
}
