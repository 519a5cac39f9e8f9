//! The mistakes that can be planted, and the scenarios that must find each of them.

use crate::run::Run;
use crate::scenarios;
use crate::world::Plan;

/// A mistake that somebody could make.
pub(crate) struct Defect {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The scenarios that are run against it; the first one is the one of the short run.
    pub(crate) caught_by: &'static [&'static str],
    /// The short run has it too.
    pub(crate) short: bool,
}

const fn defect(name: &'static str, about: &'static str, caught_by: &'static [&'static str]) -> Defect {
    Defect { name, about, caught_by, short: false }
}

const fn often(name: &'static str, about: &'static str, caught_by: &'static [&'static str]) -> Defect {
    Defect { name, about, caught_by, short: true }
}

/// All of them: the command side, the relay, the projections, the policies, the queries.
pub(crate) const ALL: &[Defect] = &[
    often("ack-before-commit", "a batch is acknowledged and committed with the next one", &["kill-roles"]),
    defect(
        "ack-on-error",
        "a batch whose outcome is unknown counts as written",
        &["kill-postgres", "disk-full-postgres"],
    ),
    defect("asynchronous-commit", "a commit does not wait for the disk", &["kill-postgres-alone"]),
    defect("key-forgotten", "what was answered to an Idempotency-Key is not kept", &["calm"]),
    defect("key-not-compared", "a key answers requests with other content too", &["calm"]),
    defect("version-not-compared", "a command goes through whatever version it was made for", &["parallel-appends"]),
    defect("chain-not-linked", "an event's hash does not cover the event before", &["calm"]),
    defect("clock-goes-back", "an event is stamped with a time before that of its predecessor", &["clock-jumps"]),
    defect("snapshot-off-by-one", "a snapshot claims to be one event older than it is", &["kill-at-snapshot"]),
    defect(
        "previous-guessed",
        "a record names the position before it, not the one before it in its partition",
        &["calm"],
    ),
    often("relay-row-ahead", "the relay notes as acknowledged what it has only handed over", &["broker-away"]),
    defect("error-is-acknowledged", "a record that Kafka refused counts as published", &["kill-kafka"]),
    defect("log-trusted", "a topic is taken to hold what it once held", &["log-deleted", "tail-cut"]),
    defect(
        "no-position-filter",
        "a record that comes again is applied again",
        &["kill-relay-at-record", "log-deleted"],
    ),
    defect("gap-blind", "a record is applied although others before it are missing", &["head-cut"]),
    defect("silence-ignored", "a quiet topic is taken to be complete", &["broker-away"]),
    defect("lost-events-ignored", "a view goes on with a store that lost events", &["database-restored"]),
    often("checkpoint-before-rows", "a checkpoint is committed before its rows", &["kill-projector-at-row"]),
    defect("rows-before-checkpoint", "rows are committed before their checkpoint", &["kill-projector-at-row"]),
    defect("checkpoint-not-compared", "a checkpoint moves wherever it stands", &["zombie-projector"]),
    defect("conflict-ignored", "a row that is there already is left as it is", &["calm"]),
    defect("projection-not-deterministic", "a view shows when it was written, not when it happened", &["calm"]),
    often("poison-dropped", "an event that cannot be applied is passed over", &["poison-events"]),
    defect("parked-does-not-block", "what follows on a parked event is applied before it", &["poison-events"]),
    defect(
        "checkpoint-before-notes",
        "a policy's checkpoint is committed before what follows from the events",
        &["kill-at-points"],
    ),
    often("silence-is-failure", "a payment provider that does not answer counts as one that refuses", &["calm"]),
    defect("operation-drawn-anew", "each request to the provider has another operation id", &["calm"]),
    defect("token-ignored", "a reader with a token is shown what there is", &["calm"]),
];

/// Plants each mistake, or one, in the scenarios that must find it.
pub(crate) fn runs(plan: &Plan, name: Option<&str>) -> anyhow::Result<Vec<Run>> {
    let chosen: Vec<&Defect> = ALL.iter().filter(|defect| name.is_none_or(|name| name == defect.name)).collect();
    anyhow::ensure!(!chosen.is_empty(), "there is no such mistake; see `rig list`");
    let mut runs = Vec::new();
    for defect in chosen {
        for scenario in defect.caught_by {
            let plan = Plan { defect: Some(defect.name.to_owned()), ..plan.clone() };
            runs.push(Run { scenario: scenarios::find(scenario)?, plan });
        }
    }
    Ok(runs)
}
