//! What all HTTP here has in common: how requests are read, bounded and traced, and how answers are written.

pub mod context;
pub mod docs;
mod durations;
mod edge;
mod etag;
mod fingerprint;
mod idempotency;
mod json;
mod page;
mod params;
mod path;
pub(crate) mod seal;

pub use edge::{BODY_BYTES_MAX, EdgeSettings, edge};
pub use etag::{IfMatch, IfNoneMatch, etag};
pub use fingerprint::fingerprint;
pub use idempotency::{IdempotencyKey, REPLAYED};
pub use json::{Json, MergePatch, RawJson, not_null, parse};
pub use page::{LIMIT_DEFAULT, LIMIT_MAX, Page, PageRequest, SealedPage};
pub use params::Params;
pub use path::{Path, Path2, Path3};
