//! The one list of oracles: for every read model a plain fold, written from what the events mean.
//!
//! An oracle shares no code with the projection that it judges: it sees one event after the other, keeps what it needs
//! in ordinary maps, and at the end writes down the rows as they should be.

mod asked;
mod audit;
mod identity;
mod orders;
mod payments;
mod products;
mod row;

use std::collections::HashMap;

use envelope::{Recorded, SubjectKey};
use event_schemas::Event;
use event_store::RawPayload;
use uuid::Uuid;

pub use asked::Asked;
pub use row::{Row, cell};

/// The keys that still exist, by their ids.
pub type Keys = HashMap<Uuid, SubjectKey>;

/// What a read model should show.
pub trait Oracle: Send {
    /// One event more, in the order of its store.
    ///
    /// # Errors
    /// Why it cannot be, such as an event that no program reads.
    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()>;

    /// The keys without which it cannot write down its rows.
    fn keys(&self) -> Vec<Uuid> {
        Vec::new()
    }

    /// Every row as it should be, in any order.
    ///
    /// # Errors
    /// Why it cannot be, such as a sealed field that its key does not open.
    fn rows(self: Box<Self>, keys: &Keys) -> anyhow::Result<Vec<Row>>;
}

/// The oracle of one read model.
pub struct OracleOf {
    /// Which read model.
    pub read_model: &'static str,
    /// Columns that hold personal data in plain text: never shown.
    pub personal: &'static [&'static str],
    /// One that has seen nothing yet.
    pub begin: fn() -> Box<dyn Oracle>,
    /// How the API is asked for these rows, or for a part of them where that takes many questions.
    pub asked: fn(&[&Row]) -> Vec<Asked>,
}

/// Every oracle there is.
pub const ORACLES: &[OracleOf] = &[
    OracleOf {
        read_model: "accounts",
        personal: &["name", "email"],
        begin: || Box::<identity::Accounts>::default(),
        asked: identity::accounts,
    },
    OracleOf {
        read_model: "audit_log",
        personal: &[],
        begin: || Box::<audit::AuditLog>::default(),
        asked: audit::events,
    },
    OracleOf {
        read_model: "customer_orders",
        personal: &[],
        begin: || Box::<orders::CustomerOrders>::default(),
        asked: orders::of_customers,
    },
    OracleOf { read_model: "orders", personal: &[], begin: || Box::<orders::Orders>::default(), asked: orders::orders },
    OracleOf {
        read_model: "payment_operations",
        personal: &[],
        begin: || Box::<payments::operations::Operations>::default(),
        asked: payments::operations::operations,
    },
    OracleOf {
        read_model: "payments",
        personal: &[],
        begin: || Box::<payments::Payments>::default(),
        asked: payments::payments,
    },
    OracleOf {
        read_model: "products",
        personal: &[],
        begin: || Box::<products::Products>::default(),
        asked: products::products,
    },
    OracleOf {
        read_model: "sales_by_day",
        personal: &[],
        begin: || Box::<orders::SalesByDay>::default(),
        asked: orders::by_day,
    },
    OracleOf {
        read_model: "sales_summary",
        personal: &[],
        begin: || Box::<orders::SalesSummary>::default(),
        asked: orders::summary,
    },
    OracleOf {
        read_model: "stock",
        personal: &[],
        begin: || Box::<products::Stock>::default(),
        asked: products::stock,
    },
];

/// The oracle of a read model, if it has one.
#[must_use]
pub fn find(read_model: &str) -> Option<&'static OracleOf> {
    ORACLES.iter().find(|oracle| oracle.read_model == read_model)
}

/// What was stored, as the event that it is.
pub(crate) fn decoded(event: &Recorded<RawPayload>) -> anyhow::Result<Event> {
    Ok(Event::decode(event.context.parse()?, &event.event_type, &event.event_version, event.data.get())?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ORACLES;

    #[test]
    fn every_read_model_has_an_oracle() {
        let judged: BTreeSet<_> = ORACLES.iter().map(|oracle| oracle.read_model).collect();
        let there: BTreeSet<_> = projectors::registry::READ_MODELS.iter().map(|model| model.name).collect();
        assert_eq!(judged, there, "a read model without an oracle is compared with nothing but itself");
        assert_eq!(judged.len(), ORACLES.len(), "one oracle for each");
    }
}
