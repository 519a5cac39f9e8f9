//! Purchases in the CDNOW format: customer, date, number of CDs and dollars in columns of white space.

mod connection;
mod lines;
mod patience;
mod send;
mod source;

pub use lines::{BadLine, Purchase};
pub use send::{Importer, Limits, Report, Summary};
pub use source::{Source, SourceError};
