//! What is shown of people.

pub mod accounts;
