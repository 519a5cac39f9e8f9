//! What the market allows, refuses and remembers: pure decisions without clock, chance, network or disk.

pub mod identity;
pub mod orders;
pub mod payments;
pub mod policies;
pub mod products;
mod refusal;
mod shape;
#[cfg(test)]
mod tests;
mod text;

pub use refusal::{Kind, Refusal};
pub use shape::{Folded, shape};
