//! What was sold, added up: the part that all read models with sums share.

use std::collections::BTreeMap;

use event_schemas::Money;

/// Adds what a batch brings to a row `t` that is there.
pub(super) const ADDED: &str = "orders = t.orders + excluded.orders, units = t.units + excluded.units,
    revenue_minor = t.revenue_minor + excluded.revenue_minor, version = t.version + excluded.version";

/// What a batch brings, by row. Sorted, so that two processes change rows in the same order and never wait for each
/// other in a circle.
pub(super) struct Sums<K>(BTreeMap<K, Delta>);

#[derive(Default)]
struct Delta {
    orders: i64,
    units: i64,
    revenue_minor: i64,
    events: i64,
}

/// One value for each row.
pub(super) struct Columns {
    pub(super) orders: Vec<i64>,
    pub(super) units: Vec<i64>,
    pub(super) revenue_minor: Vec<i64>,
    /// How many events the row rests on: its version.
    pub(super) events: Vec<i64>,
}

impl<K: Ord> Sums<K> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// One order more.
    pub(super) fn add(&mut self, row: K, units: i64, total: &Money) {
        let sum = self.0.entry(row).or_default();
        sum.orders += 1;
        sum.units += units;
        sum.revenue_minor += total.amount_minor;
        sum.events += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    pub(super) fn columns(&self) -> Columns {
        let column = |of: fn(&Delta) -> i64| self.0.values().map(of).collect();
        Columns {
            orders: column(|sum| sum.orders),
            units: column(|sum| sum.units),
            revenue_minor: column(|sum| sum.revenue_minor),
            events: column(|sum| sum.events),
        }
    }
}
