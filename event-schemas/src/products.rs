//! What can happen to a product and to its stock. Names and fields here are stored and published for ever: add, never
//! change.

use envelope::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, OrderId, ProductId, ReservationId};
use crate::upcast::Upcast;
use crate::versions::versions;
use crate::{Money, Sku};

/// One of the forms in which a product is sold, such as a size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Variant {
    /// Names it within its product, and with the product its stock.
    pub sku: Sku,
    /// What it is called.
    pub title: String,
}

/// What can happen to a product. The first event names it; the later ones are known by their aggregate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ProductEvent {
    /// A seller describes something that may be sold later.
    ProductDrafted {
        /// Which product.
        product: ProductId,
        /// Who sells it.
        seller: AccountId,
        /// What it is called.
        title: String,
        /// What there is to say about it.
        description: String,
        /// What one piece costs, whatever the variant.
        price: Money,
        /// Under what it is found.
        categories: Vec<String>,
        /// Where its picture is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media: Option<String>,
        /// In which forms it is sold. They never change.
        variants: Vec<Variant>,
    },
    /// It is called otherwise from now on.
    ProductRetitled {
        /// What it is called.
        title: String,
    },
    /// There is something else to say about it.
    ProductDescribed {
        /// What there is to say about it.
        description: String,
    },
    /// It costs something else from now on.
    ProductRepriced {
        /// What one piece costs.
        price: Money,
    },
    /// It is found elsewhere from now on.
    ProductRecategorized {
        /// Under what it is found.
        categories: Vec<String>,
    },
    /// It has another picture, or none.
    ProductIllustrated {
        /// Where its picture is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media: Option<String>,
    },
    /// The seller asks that it may be sold.
    ProductProposed {},
    /// It may be sold, and is on sale.
    ProductApproved {},
    /// It may not be sold as it is; it is a draft again.
    ProductRejected {
        /// Why not.
        reason: String,
    },
    /// It is not on sale for a while.
    ProductUnlisted {},
    /// It is on sale again.
    ProductRelisted {},
    /// It is never sold again.
    ProductArchived {},
    /// Somebody edits it, and nobody else may meanwhile.
    ProductLeaseTaken {
        /// Who: an account or a name, as it stands in the cause of events.
        by: String,
        /// Until when, unless it is released before.
        until: Timestamp,
    },
    /// Whoever edited it has finished.
    ProductLeaseReleased {},
}

versions!(ProductEvent {
    ProductDrafted: 1,
    ProductRetitled: 1,
    ProductDescribed: 1,
    ProductRepriced: 1,
    ProductRecategorized: 1,
    ProductIllustrated: 1,
    ProductProposed: 1,
    ProductApproved: 1,
    ProductRejected: 1,
    ProductUnlisted: 1,
    ProductRelisted: 1,
    ProductArchived: 1,
    ProductLeaseTaken: 1,
    ProductLeaseReleased: 1,
});

/// What can happen to the stock of one variant of a product. Its aggregate is `<product>/<sku>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum StockEvent {
    /// Pieces came in.
    StockReceived {
        /// Of which product.
        product: ProductId,
        /// Of which of its variants.
        sku: Sku,
        /// How many.
        quantity: i64,
    },
    /// There are more or fewer pieces than was believed.
    StockAdjusted {
        /// How many more, or fewer if negative.
        change: i64,
        /// Why.
        reason: String,
    },
    /// Pieces are kept for somebody.
    StockReserved {
        /// Under which reservation.
        reservation: ReservationId,
        /// How many.
        quantity: i64,
        /// Until when they should be taken.
        until: Timestamp,
    },
    /// Reserved pieces are free again.
    StockReleased {
        /// Of which reservation.
        reservation: ReservationId,
        /// How many.
        quantity: i64,
    },
    /// Reserved pieces are sold and gone.
    StockCommitted {
        /// Of which reservation.
        reservation: ReservationId,
        /// How many.
        quantity: i64,
    },
}

/// Pieces of a variant that an order wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReservedLine {
    /// Of which product.
    pub product: ProductId,
    /// Of which of its variants.
    pub sku: Sku,
    /// How many.
    pub quantity: i64,
}

/// Why pieces were not reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// Fewer are available than were asked for.
    NotEnough,
    /// The product is not on sale, or has no such variant.
    NotForSale,
    /// It costs something else now.
    PriceChanged,
}

/// What can happen to the reservation of all that an order wants: all of it or nothing. Its aggregate has the order's
/// id; the stock of each variant has its part of it under the same id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ReservationEvent {
    /// All pieces are kept for the order.
    ReservationMade {
        /// Which reservation.
        reservation: ReservationId,
        /// For which order.
        order: OrderId,
        /// What, each variant once.
        lines: Vec<ReservedLine>,
        /// Until when they should be taken.
        until: Timestamp,
    },
    /// Nothing is kept, because something is not to be had.
    ReservationDeclined {
        /// Which reservation.
        reservation: ReservationId,
        /// For which order.
        order: OrderId,
        /// Why.
        reason: DeclineReason,
        /// Those lines that were not to be had when it was looked up; perhaps none any more.
        lines: Vec<ReservedLine>,
    },
    /// All pieces are free again.
    ReservationReleased {},
    /// All pieces are sold and gone.
    ReservationCommitted {},
}

versions!(ReservationEvent {
    ReservationMade: 1,
    ReservationDeclined: 1,
    ReservationReleased: 1,
    ReservationCommitted: 1,
});

versions!(StockEvent { StockReceived: 1, StockAdjusted: 1, StockReserved: 1, StockReleased: 1, StockCommitted: 1 });

pub(crate) const UPCASTS: &[Upcast] = &[];
