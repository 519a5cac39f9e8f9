//! Real servers that the program brings along, so that nothing needs to be installed: Postgres and a Kafka broker.
//!
//! Nothing else in the program knows whether these are running or others; they are reached by URL and address alone.

pub mod broker;
pub mod postgres;
