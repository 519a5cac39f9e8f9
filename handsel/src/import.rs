//! Products, customers and orders of any shop, from a table: read, mapped, checked, and made into commands.

mod amounts;
mod customers;
mod days;
mod groups;
mod mapping;
mod orders;
mod plan;
mod presets;
mod products;
mod table;
mod targets;

pub use mapping::{Mapping, Words};
pub use plan::{Bad, Counts, Plan, Shop};
pub use table::{Format, Row, Table};
pub use targets::{Kind, Target};
