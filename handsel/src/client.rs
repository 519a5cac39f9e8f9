//! What commands of this program send to a running instance over HTTP: many jobs at once, each until it is answered.

mod args;
mod connection;
mod courier;
mod job;
mod on_bar;
mod patience;

pub use args::ClientArgs;
pub use courier::{Limits, Report, Sender, Summary};
pub use job::{Job, Request, Step};
pub use on_bar::{OnBar, finish};
