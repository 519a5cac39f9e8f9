//! What follows from events outside of the stores: kinds of effects, each with a ledger of its own.
//!
//! A kind notes what an event asks for in the transaction of the policy's checkpoint, so that each event is noted once
//! in effect. What is noted is then done as often as it takes, and what came of it is stored. Only the policy's session
//! writes rows; what goes on outside goes on side by side.
//!
//! A further kind is a file here, and a line in [`KINDS`].

mod mails;
mod payment_provider;

use std::sync::Arc;

use async_trait::async_trait;
use domain::policies::Policy;
use envelope::Recorded;
use event_schemas::Event;
use sqlx::{PgConnection, PgPool};
use tokio::time::Instant;

use crate::dispatches::Row;
use crate::engine::Engine;
use crate::reading::Stopped;
use crate::term::Term;

/// Every kind of effect there is.
pub(crate) static KINDS: [Kind; 2] = [payment_provider::KIND, mails::KIND];

/// A kind of effect.
pub(crate) struct Kind {
    /// Which events ask for it: what follows from them are no commands, but effects.
    pub(crate) policy: Policy,
    /// Begins to work for whoever leads the policy.
    pub(crate) begin: fn(&Engine) -> Box<dyn Effects>,
    /// Shows its counters from the start.
    pub(crate) show_metrics: fn(),
}

/// The effects of a policy, at work.
#[async_trait]
pub(crate) trait Effects: Send + Sync {
    /// Whether an event asks for something.
    fn asks(&self, event: &Recorded<Event>) -> bool;

    /// Whether somebody waits for it.
    fn is_urgent(&self) -> bool;

    /// Notes what events ask for, in the transaction of the checkpoint. It may be begun when that is committed.
    async fn note(&mut self, db: &mut PgConnection, policy: &str, events: &[Arc<Recorded<Event>>]) -> sqlx::Result<()>;

    /// When the ledger is to be looked at next.
    fn look_at(&self) -> Instant;

    /// Begins what is due.
    async fn begin(&mut self, pool: &PgPool, policy: &str, term: Term) -> Result<(), Stopped>;

    /// Waits until something came of what was begun, and keeps it for [`Effects::settle`]. Never returns while nothing
    /// is under way; whoever stops waiting loses nothing.
    async fn answered(&mut self);

    /// Stores what came, with the commands that follow from it.
    async fn settle(&mut self, pool: &PgPool, policy: &'static str, term: Term) -> Result<Vec<Row>, Stopped>;

    /// What waits for a person, for whoever asks how the policy is.
    fn remark(&self) -> Option<String> {
        None
    }
}
