//! Full-text search over products: an index that belongs to the process that serves it, and the inner port that asks
//! it.
//!
//! The index follows the store of `products` by position. Every commit carries how far it has come in its payload, so
//! that after a crash it goes on exactly where it was. What decides is without I/O: what events change ([`changes`],
//! [`product`]), when to look and to commit ([`pace`]), whether an index may go on ([`checkpoint`]).

pub mod ask;
pub mod changes;
pub mod checkpoint;
pub mod fields;
pub mod follower;
pub mod following;
pub mod gather;
pub mod index;
pub mod meaning;
pub mod one_word;
pub mod pace;
pub mod product;
pub mod query;
pub mod question;
pub mod server;
pub mod snippet;
pub mod stems;
pub mod words;
