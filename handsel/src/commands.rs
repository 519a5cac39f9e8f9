//! A file for each sub-command.

pub mod config;
pub mod doctor;
pub mod events;
pub mod heads;
pub mod import_cdnow;
pub mod import_postgres_es;
pub mod import_shop;
pub mod listen;
pub mod mails;
pub mod migrate;
mod noted;
pub mod parked;
pub mod policies;
pub mod rebuild;
pub mod recover;
pub mod replay;
pub mod role;
pub mod seed;
pub mod status;
pub mod trigger;
pub mod up;
pub mod verify;
pub mod webhooks;
