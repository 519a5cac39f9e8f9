//! What happened, whatever the context.

pub mod audit_log;
