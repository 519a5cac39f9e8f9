//! A product is drafted, proposed, approved and archived; while somebody edits it, nobody else does.

use std::collections::BTreeSet;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use envelope::Timestamp;
use event_schemas::ids::AccountId;
use event_schemas::products::{ProductEvent, Variant};
use event_schemas::{Money, Sku};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CATEGORIES_MAX, Changes, DESCRIPTION_CHARS_MAX, Draft, Edit, LEASE_HOURS_MAX, PRICE_MINOR_MAX, ProductCommand,
    ProductError, Shown, VARIANTS_MAX,
};
use crate::Folded;
use crate::products::is_ahead;
use crate::text::{is_prose, is_reason, is_slug, is_title, is_web_address};

/// Holds only what `decide` asks about: also what it shows, because what already holds is no event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Product {
    /// Nothing happened under this id.
    #[default]
    Absent,
    /// Somebody sells it, or will, or did.
    Drafted(Box<Drafted>),
}

/// A product that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drafted {
    /// As it was drafted, by which a repeated request is known, also after changes.
    first: Draft,
    /// What it shows now.
    shown: Shown,
    stage: Stage,
    lease: Option<Lease>,
}

/// How far a product has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Stage {
    /// Its seller works on it.
    Draft {
        /// Why it was rejected last, if it was, by which a repeated rejection is known.
        rejected: Option<String>,
    },
    /// Somebody is asked whether it may be sold.
    Proposed,
    /// It is on sale.
    Published,
    /// It is off sale for a while.
    Unlisted,
    /// It is off sale for ever.
    Archived,
}

/// The right to edit alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lease {
    /// Whose.
    pub by: String,
    /// When it lapses.
    pub until: Timestamp,
}

/// What somebody can buy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who sells it.
    pub seller: AccountId,
    /// What it is called, variant and all.
    pub title: String,
    /// What one piece costs.
    pub price: Money,
}

impl Product {
    /// What is on sale under a sku.
    ///
    /// # Errors
    /// If it is not on sale, or there is no such variant.
    pub fn offer(&self, sku: &Sku) -> Result<Offer, ProductError> {
        let Self::Drafted(known) = self else { return Err(ProductError::NotFound) };
        let variant = known.first.variants.iter().find(|variant| variant.sku == *sku);
        let variant = variant.ok_or(ProductError::NoSuchVariant)?;
        if known.stage != Stage::Published {
            return Err(ProductError::NotForSale);
        }
        let title = format!("{}, {}", known.shown.title, variant.title);
        Ok(Offer { seller: known.first.seller, title, price: known.shown.price })
    }

    /// That a variant is on sale at this price.
    ///
    /// # Errors
    /// Why not.
    pub fn offers_at(&self, sku: &Sku, price: Money) -> Result<(), ProductError> {
        let now = self.offer(sku)?.price;
        if now == price { Ok(()) } else { Err(ProductError::PriceChanged { now }) }
    }

    /// Every rule is a row: a state, a command, and what follows from them.
    ///
    /// # Errors
    /// The reason why nothing follows.
    pub fn decide(&self, command: ProductCommand) -> Result<Vec<ProductEvent>, ProductError> {
        use ProductCommand::{Draft, Edit, ReleaseLease, TakeLease};
        match (self, command) {
            (Self::Absent, Draft(draft)) => {
                draft.check()?;
                Ok(vec![draft.drafted()])
            }
            (Self::Drafted(known), Draft(draft)) if known.first == *draft => Ok(vec![]),
            (Self::Drafted(_), Draft(draft)) => draft.check().and(Err(ProductError::AlreadyDrafted)),
            (Self::Absent, Edit { .. } | TakeLease { .. } | ReleaseLease { .. }) => Err(ProductError::NotFound),
            (Self::Drafted(known), Edit { by, at, edit }) => {
                known.free_for(&by, at)?;
                known.edit(edit)
            }
            (Self::Drafted(known), TakeLease { by, until, at }) => {
                known.free_for(&by, at)?;
                known.lend(Lease { by, until }, at)
            }
            (Self::Drafted(known), ReleaseLease { by, at }) => {
                known.free_for(&by, at)?;
                let own = known.lease.as_ref().is_some_and(|lease| lease.by == by);
                Ok(if own { vec![ProductEvent::ProductLeaseReleased {}] } else { vec![] })
            }
        }
    }

    /// What happened is never refused: no rule, no error, no clock.
    pub fn evolve(&mut self, event: ProductEvent) {
        use ProductEvent as It;
        match (&mut *self, event) {
            (_, It::ProductDrafted { product, seller, title, description, price, categories, media, variants }) => {
                let shown = Shown { title, description, price, categories, media };
                let first = Draft { product, seller, shown: shown.clone(), variants };
                let stage = Stage::Draft { rejected: None };
                *self = Self::Drafted(Box::new(Drafted { first, shown, stage, lease: None }));
            }
            (Self::Absent, _) => {}
            (Self::Drafted(known), It::ProductRetitled { title }) => known.shown.title = title,
            (Self::Drafted(known), It::ProductDescribed { description }) => known.shown.description = description,
            (Self::Drafted(known), It::ProductRepriced { price }) => known.shown.price = price,
            (Self::Drafted(known), It::ProductRecategorized { categories }) => known.shown.categories = categories,
            (Self::Drafted(known), It::ProductIllustrated { media }) => known.shown.media = media,
            (Self::Drafted(known), It::ProductProposed {}) => known.stage = Stage::Proposed,
            (Self::Drafted(known), It::ProductApproved {} | It::ProductRelisted {}) => known.stage = Stage::Published,
            (Self::Drafted(known), It::ProductRejected { reason }) => {
                known.stage = Stage::Draft { rejected: Some(reason) };
            }
            (Self::Drafted(known), It::ProductUnlisted {}) => known.stage = Stage::Unlisted,
            (Self::Drafted(known), It::ProductArchived {}) => known.stage = Stage::Archived,
            (Self::Drafted(known), It::ProductLeaseTaken { by, until }) => known.lease = Some(Lease { by, until }),
            (Self::Drafted(known), It::ProductLeaseReleased {}) => known.lease = None,
        }
    }

    /// Its variants; none if it is not there.
    #[must_use]
    pub fn variants(&self) -> &[Variant] {
        match self {
            Self::Absent => &[],
            Self::Drafted(known) => &known.first.variants,
        }
    }
}

impl Drafted {
    /// A lease that lapsed keeps nobody off, though nothing has happened since.
    fn free_for(&self, by: &str, at: Timestamp) -> Result<(), ProductError> {
        match &self.lease {
            Some(lease) if lease.by != by && lease.until > at => {
                Err(ProductError::Leased { by: lease.by.clone(), until: lease.until })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn lend(&self, lease: Lease, at: Timestamp) -> Result<Vec<ProductEvent>, ProductError> {
        if !is_ahead(at, lease.until, LEASE_HOURS_MAX) {
            return Err(ProductError::BadLease);
        }
        if self.stage == Stage::Archived {
            return Err(ProductError::Archived);
        }
        if self.lease.as_ref() == Some(&lease) {
            return Ok(vec![]);
        }
        Ok(vec![ProductEvent::ProductLeaseTaken { by: lease.by, until: lease.until }])
    }

    fn edit(&self, edit: Edit) -> Result<Vec<ProductEvent>, ProductError> {
        use Edit::{Approve, Archive, Propose, Publish, Reject, Revise, Unlist};
        use Stage::{Archived, Draft, Proposed, Published, Unlisted};
        Ok(match (&self.stage, edit) {
            (_, Revise(changes)) => return self.revise(*changes),
            (_, Reject { reason }) if !is_reason(&reason) => return Err(ProductError::BadReason),
            (Draft { .. }, Propose) => vec![ProductEvent::ProductProposed {}],
            (Proposed, Propose) => vec![],
            (Published | Unlisted, Propose) => return Err(ProductError::NotADraft),
            (Proposed, Approve) => vec![ProductEvent::ProductApproved {}],
            (Published, Approve) => vec![],
            (Draft { .. } | Unlisted, Approve) => return Err(ProductError::NotProposed),
            (Proposed, Reject { reason }) => vec![ProductEvent::ProductRejected { reason }],
            (Draft { rejected: Some(before) }, Reject { reason }) if *before == reason => vec![],
            (Draft { .. } | Published | Unlisted, Reject { .. }) => return Err(ProductError::NotProposed),
            (Published, Unlist) => vec![ProductEvent::ProductUnlisted {}],
            (Unlisted, Unlist) => vec![],
            (Unlisted, Publish) => vec![ProductEvent::ProductRelisted {}],
            (Published, Publish) => vec![],
            (Draft { .. } | Proposed, Unlist | Publish) => return Err(ProductError::NotApproved),
            (Draft { .. } | Proposed | Published | Unlisted, Archive) => vec![ProductEvent::ProductArchived {}],
            (Archived, Archive) => vec![],
            (Archived, Propose | Approve | Reject { .. } | Unlist | Publish) => return Err(ProductError::Archived),
        })
    }

    /// An event for each thing that becomes another one.
    fn revise(&self, changes: Changes) -> Result<Vec<ProductEvent>, ProductError> {
        let now = &self.shown;
        let mut next = now.clone();
        next.take(changes);
        next.check()?;
        let changed = [
            (next.title != now.title).then_some(ProductEvent::ProductRetitled { title: next.title }),
            (next.description != now.description)
                .then_some(ProductEvent::ProductDescribed { description: next.description }),
            (next.price != now.price).then_some(ProductEvent::ProductRepriced { price: next.price }),
            (next.categories != now.categories)
                .then_some(ProductEvent::ProductRecategorized { categories: next.categories }),
            (next.media != now.media).then_some(ProductEvent::ProductIllustrated { media: next.media }),
        ];
        let events: Vec<_> = changed.into_iter().flatten().collect();
        match self.stage {
            Stage::Proposed if !events.is_empty() => Err(ProductError::InReview),
            Stage::Archived if !events.is_empty() => Err(ProductError::Archived),
            Stage::Draft { .. } | Stage::Proposed | Stage::Published | Stage::Unlisted | Stage::Archived => Ok(events),
        }
    }
}

impl Draft {
    fn check(&self) -> Result<(), ProductError> {
        self.shown.check()?;
        let skus: BTreeSet<_> = self.variants.iter().map(|variant| &variant.sku).collect();
        let fit = self.variants.iter().all(|variant| is_title(&variant.title));
        let count = self.variants.len();
        if fit && skus.len() == count && (1..=VARIANTS_MAX).contains(&count) {
            return Ok(());
        }
        Err(ProductError::BadVariants)
    }

    fn drafted(self) -> ProductEvent {
        let Self { product, seller, shown, variants } = self;
        let Shown { title, description, price, categories, media } = shown;
        ProductEvent::ProductDrafted { product, seller, title, description, price, categories, media, variants }
    }
}

impl Shown {
    fn take(&mut self, changes: Changes) {
        let Changes { title, description, price, categories, media } = changes;
        self.title = title.unwrap_or_else(|| std::mem::take(&mut self.title));
        self.description = description.unwrap_or_else(|| std::mem::take(&mut self.description));
        self.price = price.unwrap_or(self.price);
        self.categories = categories.unwrap_or_else(|| std::mem::take(&mut self.categories));
        self.media = media.unwrap_or_else(|| self.media.take());
    }

    fn check(&self) -> Result<(), ProductError> {
        let different: BTreeSet<_> = self.categories.iter().collect();
        let categories = self.categories.iter().all(|category| is_slug(category))
            && different.len() == self.categories.len()
            && self.categories.len() <= CATEGORIES_MAX;
        let rules = [
            (is_title(&self.title), ProductError::BadTitle),
            (is_prose(&self.description, DESCRIPTION_CHARS_MAX), ProductError::BadDescription),
            ((0..=PRICE_MINOR_MAX).contains(&self.price.amount_minor), ProductError::BadPrice),
            (categories, ProductError::BadCategories),
            (self.media.as_deref().is_none_or(is_web_address), ProductError::BadMedia),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, broken)| Err(broken))
    }
}

impl Folded for Product {
    const FOLD: u32 = 1;
}

impl Aggregate for Product {
    const TYPE: &'static str = "product";
    type Command = ProductCommand;
    type Event = ProductEvent;
    type Error = ProductError;
    type Services = ();

    async fn handle(&mut self, ask: ProductCommand, _: &(), sink: &EventSink<Self>) -> Result<(), ProductError> {
        for event in self.decide(ask)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ProductEvent) {
        self.evolve(event);
    }
}
