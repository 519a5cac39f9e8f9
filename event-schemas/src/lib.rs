//! The published language: what can happen in each context, under which names, in which versions and on which topics.
//!
//! Everything here is stored and published for ever. Variants and optional fields are added; a changed shape is a new
//! version with an upcaster and a golden file; a changed meaning is a new event.

mod cloud_event;
mod context;
mod event;
pub mod identity;
pub mod ids;
mod money;
pub mod orders;
pub mod payments;
pub mod products;
pub mod published;
mod sku;
mod upcast;
mod versions;

pub use cloud_event::{ce_dataschema, ce_source, ce_type, dotted_name, schema_path};
pub use context::{Context, PARTITIONS, UnknownContext};
pub use event::{DecodeError, Event};
pub use money::{Currency, Money, NotACurrency};
pub use sku::{NotASku, SKU_CHARS_MAX, Sku};
pub use upcast::upcasters;
