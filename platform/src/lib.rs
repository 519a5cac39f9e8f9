//! The outside world: settings, telemetry, Postgres, Kafka, embedded servers, callers, tokens, problems and shutdown.
//!
//! It knows nothing of what is sold or ordered: no market word stands here.

pub mod admin;
pub mod bar;
pub mod caller;
pub mod clock;
pub mod cursor;
pub mod data_dir;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod faults;
mod hexadecimal;
pub mod http;
pub mod kafka;
pub mod metrics;
pub mod postgres;
pub mod problem;
pub mod progress;
pub mod readiness;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod token;
pub mod traceparent;

pub use hexadecimal::hexadecimal;
