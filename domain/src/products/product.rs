//! What can be asked of a product, and how it says no.

mod aggregate;
#[cfg(test)]
mod tests;

use envelope::Timestamp;
use event_schemas::Money;
use event_schemas::ids::{AccountId, ProductId};
use event_schemas::products::Variant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use aggregate::{Drafted, Lease, Offer, Product, Stage};

use crate::text::{REASON_CHARS_MAX, TITLE_CHARS_MAX};
use crate::{Kind, Refusal};

/// How long a description may be.
pub const DESCRIPTION_CHARS_MAX: usize = 20_000;
/// How much a piece may cost, in minor units.
pub const PRICE_MINOR_MAX: i64 = 100_000_000_000;
/// In how many categories a product may be.
pub const CATEGORIES_MAX: usize = 10;
/// In how many variants a product may be sold.
pub const VARIANTS_MAX: usize = 100;
/// How far ahead a lease may end.
pub const LEASE_HOURS_MAX: i64 = 24;

/// What can be asked of a product. `at` is the time of the asking, by which a lease has lapsed or not.
#[derive(Clone, Debug, PartialEq)]
pub enum ProductCommand {
    /// Describe something that may be sold later.
    Draft(Box<Draft>),
    /// Change it, or move it on.
    Edit {
        /// Who edits.
        by: String,
        /// When.
        at: Timestamp,
        /// What.
        edit: Edit,
    },
    /// Keep everybody else from editing.
    TakeLease {
        /// Who will edit.
        by: String,
        /// When the lease lapses.
        until: Timestamp,
        /// When it is asked for.
        at: Timestamp,
    },
    /// Let everybody edit again.
    ReleaseLease {
        /// Who has edited.
        by: String,
        /// When it is given back.
        at: Timestamp,
    },
}

/// A product as its seller drafts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
    /// Which product.
    pub product: ProductId,
    /// Who sells it.
    pub seller: AccountId,
    /// What can be changed later.
    pub shown: Shown,
    /// In which forms it is sold.
    pub variants: Vec<Variant>,
}

/// What a seller may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// What it is called.
    pub title: String,
    /// What there is to say about it.
    pub description: String,
    /// What one piece costs.
    pub price: Money,
    /// Under what it is found.
    pub categories: Vec<String>,
    /// Where its picture is.
    pub media: Option<String>,
}

/// What can be done to a product that is there.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Retitle, describe, reprice, recategorize or illustrate it.
    Revise(Box<Changes>),
    /// Ask that it may be sold.
    Propose,
    /// Let it be sold.
    Approve,
    /// Make it a draft again.
    Reject {
        /// Why.
        reason: String,
    },
    /// Take it off sale for a while.
    Unlist,
    /// Put it on sale again.
    Publish,
    /// Never sell it again.
    Archive,
}

/// What is to be otherwise; `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// What it is called.
    pub title: Option<String>,
    /// What there is to say about it.
    pub description: Option<String>,
    /// What one piece costs.
    pub price: Option<Money>,
    /// Under what it is found.
    pub categories: Option<Vec<String>>,
    /// Where its picture is, or that it has none.
    pub media: Option<Option<String>>,
}

/// Why a product refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProductError {
    /// Nothing was drafted under this id.
    #[error("there is no such product")]
    NotFound,
    /// There is one with this id and other content.
    #[error("a product with this id and other content was drafted before")]
    AlreadyDrafted,
    /// Somebody else edits it.
    #[error("`{by}` edits this product until {until}; wait for that, or ask them to release the lease")]
    Leased {
        /// Who.
        by: String,
        /// Until when.
        until: Timestamp,
    },
    /// It is on sale, or was.
    #[error("this product was approved before, so it cannot be proposed")]
    NotADraft,
    /// Nobody has proposed it.
    #[error("this product is not proposed, so it can be neither approved nor rejected")]
    NotProposed,
    /// It was never approved.
    #[error("this product was not approved yet, so it can be neither published nor unlisted")]
    NotApproved,
    /// It must stay as it is until it is approved or rejected.
    #[error("this product is proposed; change it after it was approved or rejected")]
    InReview,
    /// It stays as it is for ever.
    #[error("this product is archived, which is final; draft another one")]
    Archived,
    /// Empty, too long or not printable.
    #[error("a title has 1 to {TITLE_CHARS_MAX} characters, not only blanks and none of them a control character")]
    BadTitle,
    /// Too long or not printable.
    #[error("a description has at most {DESCRIPTION_CHARS_MAX} characters and no control characters but line ends")]
    BadDescription,
    /// Negative or absurd.
    #[error("a price is 0 to {PRICE_MINOR_MAX} minor units")]
    BadPrice,
    /// Too many, twice the same, or not of their form.
    #[error("a product has at most {CATEGORIES_MAX} different categories, each of the form `tea-mugs`")]
    BadCategories,
    /// No address of the web.
    #[error("media is an http or https address of at most 2048 characters, or null")]
    BadMedia,
    /// None, too many, twice the same, or without a title.
    #[error("a product has 1 to {VARIANTS_MAX} variants, each with a sku of its own and a title")]
    BadVariants,
    /// Empty, too long or not printable.
    #[error("a reason has 1 to {REASON_CHARS_MAX} characters, not only blanks and none of them a control character")]
    BadReason,
    /// It would lapse at once, or too late.
    #[error("a lease ends in the future, at most {LEASE_HOURS_MAX} hours ahead")]
    BadLease,
    /// It is not on sale.
    #[error("this product is not on sale; order something else, or wait until it is published")]
    NotForSale,
    /// It is sold in other forms.
    #[error("this product has no variant with this sku; look at its variants")]
    NoSuchVariant,
    /// Whoever buys has seen another price.
    #[error(
        "one piece costs {} {} now, in minor units; order again if that is fine",
        now.amount_minor, now.currency
    )]
    PriceChanged {
        /// What one piece costs.
        now: Money,
    },
}

impl Refusal for ProductError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::NoSuchVariant => Kind::Missing,
            Self::Leased { .. } => Kind::Locked,
            Self::AlreadyDrafted
            | Self::NotADraft
            | Self::NotProposed
            | Self::NotApproved
            | Self::InReview
            | Self::Archived
            | Self::NotForSale
            | Self::PriceChanged { .. } => Kind::Conflict,
            Self::BadTitle
            | Self::BadDescription
            | Self::BadPrice
            | Self::BadCategories
            | Self::BadMedia
            | Self::BadVariants
            | Self::BadReason
            | Self::BadLease => Kind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "product-not-found",
            Self::AlreadyDrafted => "product-exists",
            Self::Leased { .. } => "product-leased",
            Self::NotADraft => "product-not-a-draft",
            Self::NotProposed => "product-not-proposed",
            Self::NotApproved => "product-not-approved",
            Self::InReview => "product-in-review",
            Self::Archived => "product-archived",
            Self::BadTitle => "product-title-invalid",
            Self::BadDescription => "product-description-invalid",
            Self::BadPrice => "product-price-out-of-range",
            Self::BadCategories => "product-categories-invalid",
            Self::BadMedia => "product-media-invalid",
            Self::BadVariants => "product-variants-invalid",
            Self::BadReason => "product-reason-invalid",
            Self::BadLease => "product-lease-out-of-range",
            Self::NotForSale => "product-not-for-sale",
            Self::NoSuchVariant => "product-variant-not-found",
            Self::PriceChanged { .. } => "product-price-changed",
        }
    }
}
