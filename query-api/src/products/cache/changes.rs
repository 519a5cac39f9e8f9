//! Which products changed last where: enough to tell whether something that is known as of an earlier place still
//! holds.

use std::collections::HashMap;

use uuid::Uuid;

/// So many products are remembered; of more, all are forgotten, and what is known as of earlier counts as changed.
const PRODUCTS_MAX: usize = 50_000;

/// Whatever changed after a place, with its last change.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What changed up to here is not remembered.
    since: i64,
    last: HashMap<Uuid, i64>,
}

impl Changes {
    /// Nothing is known of what changed before.
    pub(super) fn since(position: i64) -> Self {
        Self { since: position, last: HashMap::new() }
    }

    /// A product changed at this position; everything up to `through` was told of or will be at once.
    pub(super) fn note(&mut self, product: Uuid, position: i64, through: i64) {
        let last = self.last.entry(product).or_insert(position);
        *last = (*last).max(position);
        if self.last.len() > PRODUCTS_MAX {
            *self = Self::since(through);
        }
    }

    /// Whether the product did not change since, as far as was told.
    pub(super) fn unchanged(&self, product: Uuid, since: i64) -> bool {
        since >= self.since && self.last.get(&product).is_none_or(|last| *last <= since)
    }
}
