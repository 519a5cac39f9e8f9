//! A product as the index keeps it, folded from its events. No I/O.

use envelope::{Position, Recorded, Timestamp};
use event_schemas::ids::{AccountId, ProductId};
use event_schemas::products::{ProductEvent, Variant};
use event_schemas::{Context, Event, Money};
use event_store::RawPayload;
use serde::{Deserialize, Serialize};

/// The kind of aggregate whose events are indexed. The stock of a product is another one, and is not.
const AGGREGATE: &str = "product";

/// How far a product has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being described.
    Draft,
    /// Waits for approval.
    Proposed,
    /// On sale: only then it is found.
    Published,
    /// Not on sale for a while.
    Unlisted,
    /// Never sold again.
    Archived,
}

/// A product, in whatever state: what a later event changes must be known, whether it is found or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// Which one.
    pub product: ProductId,
    /// Who sells it.
    pub seller: AccountId,
    /// How far it has come.
    pub state: State,
    /// What it is called.
    pub title: String,
    /// What there is to say about it.
    pub description: String,
    /// What one piece costs.
    pub price: Money,
    /// Under what it is found.
    pub categories: Vec<String>,
    /// In which forms it is sold.
    pub variants: Vec<Variant>,
    /// Since when it is known.
    pub drafted_at: Timestamp,
    /// When it was approved, if it was.
    pub published_at: Option<Timestamp>,
}

/// What the index knows under the id of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The product.
    Product(Product),
    /// One of its events cannot be read by this program, so nobody knows what it is now: it is not found.
    SetAside {
        /// Which one.
        product: ProductId,
        /// Where the event stands.
        position: Position,
    },
}

impl Kept {
    /// Which product it is about.
    #[must_use]
    pub fn product(&self) -> ProductId {
        match self {
            Self::Product(product) => product.product,
            Self::SetAside { product, .. } => *product,
        }
    }

    /// The product, if everybody may find it.
    #[must_use]
    pub fn listed(&self) -> Option<&Product> {
        match self {
            Self::Product(product) if product.state == State::Published => Some(product),
            Self::Product(_) | Self::SetAside { .. } => None,
        }
    }
}

/// The product whose event this is; `None` for what else happens in its context.
#[must_use]
pub fn concerns(event: &Recorded<RawPayload>) -> Option<ProductId> {
    (*event.aggregate_type == *AGGREGATE).then(|| event.aggregate_id.parse().ok()).flatten()
}

/// What is known of a product after an event, given what was known before. A product begins with its draft; where that
/// is missing there is nothing to change.
#[must_use]
pub fn after(before: Option<Kept>, product: ProductId, event: &Recorded<RawPayload>) -> Option<Kept> {
    if let Some(kept @ Kept::SetAside { .. }) = before {
        return Some(kept);
    }
    let what = match Event::decode(Context::Products, &event.event_type, &event.event_version, event.data.get()) {
        Ok(Event::Products(what)) => what,
        Ok(Event::Reservation(_) | Event::Stock(_) | Event::Identity(_) | Event::Orders(_) | Event::Payments(_)) => {
            return before;
        }
        Err(reason) => {
            let position = event.position;
            tracing::error!(%product, %position, %reason, "A product is set aside and not found: {reason}");
            return Some(Kept::SetAside { product, position });
        }
    };
    match (before, what) {
        (before, ProductEvent::ProductDrafted { seller, title, description, price, categories, variants, .. }) => {
            let drafted = Product {
                product,
                seller,
                state: State::Draft,
                title,
                description,
                price,
                categories,
                variants,
                drafted_at: event.recorded_at,
                published_at: None,
            };
            before.or(Some(Kept::Product(drafted)))
        }
        (Some(Kept::Product(mut held)), what) => {
            held.take(what, event.recorded_at);
            Some(Kept::Product(held))
        }
        (before, _) => before,
    }
}

impl Product {
    fn take(&mut self, what: ProductEvent, at: Timestamp) {
        match what {
            ProductEvent::ProductRetitled { title } => self.title = title,
            ProductEvent::ProductDescribed { description } => self.description = description,
            ProductEvent::ProductRepriced { price } => self.price = price,
            ProductEvent::ProductRecategorized { categories } => self.categories = categories,
            ProductEvent::ProductProposed {} => self.state = State::Proposed,
            ProductEvent::ProductApproved {} => (self.state, self.published_at) = (State::Published, Some(at)),
            ProductEvent::ProductRejected { .. } => self.state = State::Draft,
            ProductEvent::ProductUnlisted {} => self.state = State::Unlisted,
            ProductEvent::ProductRelisted {} => self.state = State::Published,
            ProductEvent::ProductArchived {} => self.state = State::Archived,
            ProductEvent::ProductDrafted { .. }
            | ProductEvent::ProductIllustrated { .. }
            | ProductEvent::ProductLeaseTaken { .. }
            | ProductEvent::ProductLeaseReleased {} => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
