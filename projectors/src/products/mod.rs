//! What is shown of products and their stock.

#[expect(clippy::module_inception, reason = "files carry the names of their read models")]
pub mod products;
pub mod stock;
