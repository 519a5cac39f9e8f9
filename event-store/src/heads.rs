//! Signed heads: what a store was at a moment, vouched for outside its database.
//!
//! The chain shows that no event was changed, moved or left out of the middle. It cannot show that the newest events
//! were cut off, that an older copy was restored, or that everything from some event on was written anew and chained
//! again: what is left is a chain that holds. So the head of a store is signed now and then and kept where who writes
//! the database does not write: in a file ([`book`]) and in a topic ([`topic`]). A store that does not agree with what
//! was signed has lost or changed events.
//!
//! - [`Statement`] is what is signed, [`SignedHead`] the same with its signature; `judge` compares them with what a
//!   store holds. They do no I/O.
//! - [`compare`] asks the store, and [`signer`] signs for as long as a relay leads.
//! - [`Vouched`] keeps an appender from starting on a store that lost what was signed.

pub mod book;
mod compare;
mod finding;
mod judge;
mod key;
mod publisher;
pub mod signer;
mod statement;
pub mod topic;
mod vouched;

pub use compare::{Now, compare, compare_on};
pub use finding::{Finding, Note, Report};
pub use judge::Collected;
pub use key::{BadKey, PublicKey, SigningKey};
pub use signer::HeadsConfig;
pub use statement::{SignedHead, Statement};
pub use vouched::Vouched;
