//! Purchases in the CDNOW format: customer, date, number of CDs and dollars in columns of white space.

mod lines;
mod send;
mod source;

pub use lines::{BadLine, Purchase};
pub use send::Importer;
pub use source::{Source, SourceError};
