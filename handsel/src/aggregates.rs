//! How this program decides on each kind of aggregate: with which upcasters, and how often a snapshot is kept.

use cqrs_es::Aggregate;
use domain::Folded;
use domain::identity::Account;
use domain::orders::Order;
use domain::payments::Payment;
use domain::products::{Product, Reservation, Stock};
use event_schemas::{Context, upcasters};
use event_store::{Commands, Store};

/// An aggregate with so many events more than its snapshot gets a new one.
const SNAPSHOT_EVERY_EVENTS: i64 = 100;

/// Accounts.
#[must_use]
pub fn accounts(store: &Store) -> Commands<Account> {
    with_snapshots(store, Context::Identity)
}

/// Orders. They have few events: there is nothing to make a snapshot of.
#[must_use]
pub fn orders(store: &Store) -> Commands<Order> {
    store.commands((), upcasters(Context::Orders))
}

/// Payments.
#[must_use]
pub fn payments(store: &Store) -> Commands<Payment> {
    with_snapshots(store, Context::Payments)
}

/// Products.
#[must_use]
pub fn products(store: &Store) -> Commands<Product> {
    with_snapshots(store, Context::Products)
}

/// What orders have reserved; two events each.
#[must_use]
pub fn reservations(store: &Store) -> Commands<Reservation> {
    store.commands((), upcasters(Context::Products))
}

/// The stock of variants.
#[must_use]
pub fn stock(store: &Store) -> Commands<Stock> {
    with_snapshots(store, Context::Products)
}

fn with_snapshots<A>(store: &Store, context: Context) -> Commands<A>
where
    A: Aggregate<Services = ()> + Folded + Clone + 'static,
    A::Command: Clone + Send + Sync + 'static,
    A::Error: Send + 'static,
{
    store.commands((), upcasters(context)).with_snapshots(SNAPSHOT_EVERY_EVENTS, domain::shape::<A>())
}
