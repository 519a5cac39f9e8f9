//! Looks at an instance and names what is wrong with it. It changes nothing.
//!
//! A cause is a line of [`CHECKS`] and a file in `doctor/`. A check that cannot look, because what it needs is away,
//! says so; none takes longer than [`CHECK_MAX`], whatever does not answer.

mod broker;
mod chain;
mod clock;
mod disk;
mod finding;
mod folder;
mod heads;
mod keys;
mod ledger;
mod limits;
mod listeners;
mod lost;
mod patient;
mod policies;
mod ports;
mod postgres;
mod process;
mod read_models;
mod relay;
mod schemas;
mod sessions;
mod topics;
mod webhooks;

use std::time::Duration;

use futures::future::{BoxFuture, join_all};

pub use finding::{Finding, NotLooked, Seen, Severity};
pub use limits::Limits;
pub use patient::Patient;

use crate::settings::ServerSettings;

/// How long one check may take.
const CHECK_MAX: Duration = Duration::from_secs(15);
/// How long the embedded Postgres may take to start: it may have a log to replay.
const START_MAX: Duration = Duration::from_secs(60);

/// One look at one part.
struct Check {
    name: &'static str,
    look: for<'a> fn(&'a Patient, &'a mut Seen) -> BoxFuture<'a, Result<(), NotLooked>>,
}

/// A line of the list.
macro_rules! check {
    ($file:ident) => {
        Check { name: stringify!($file), look: |patient, seen| Box::pin($file::look(patient, seen)) }
    };
}

/// What needs nothing but this machine; looked at before servers are asked for.
const OF_THE_MACHINE: &[Check] = &[check!(folder), check!(ports), check!(disk)];

/// What needs servers.
const CHECKS: &[Check] = &[
    check!(process),
    check!(postgres),
    check!(sessions),
    check!(schemas),
    check!(keys),
    check!(lost),
    check!(heads),
    check!(chain),
    check!(clock),
    check!(ledger),
    check!(broker),
    check!(topics),
    check!(relay),
    check!(read_models),
    check!(policies),
    check!(webhooks),
];

/// Looks at everything. An instance that does not run gets its embedded Postgres for as long as it is looked at.
pub async fn examine(settings: ServerSettings, limits: Limits) -> Seen {
    let mut seen = Seen::default();
    let mut patient = Patient::of(settings, limits);
    look_at(&patient, OF_THE_MACHINE, &mut seen).await;
    let servers = patient.reach(&mut seen).await;
    look_at(&patient, CHECKS, &mut seen).await;
    if let Err(error) = servers.stop().await {
        tracing::warn!(%error, "The embedded Postgres did not stop as it should");
    }
    seen
}

/// Each check has its own sheet, so that what it saw before its time was over is kept.
async fn look_at(patient: &Patient, checks: &[Check], seen: &mut Seen) {
    let sheets = join_all(checks.iter().map(async |check| {
        let mut sheet = Seen::default();
        sheet.begin(check.name);
        let looked = tokio::time::timeout(CHECK_MAX, (check.look)(patient, &mut sheet)).await;
        let late = || Err(NotLooked::because(format!("it did not end within {} s", CHECK_MAX.as_secs())));
        if let Err(reason) = looked.unwrap_or_else(|_| late()) {
            sheet.not_looked(reason);
        }
        sheet
    }));
    sheets.await.into_iter().for_each(|sheet| seen.add(sheet));
}
