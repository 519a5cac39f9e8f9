//! The keys of the journal against the ledger: each still answers what the client was answered.

use std::collections::HashMap;
use std::time::Duration;

use event_schemas::Context;
use serde_json::Value;

use super::named;
use super::walk::Recordings;
use crate::Outcome;
use crate::acknowledged::Acknowledged;
use crate::checks::ledger::Kept;
use crate::subject::StoreOf;

const INVARIANTS: &[&str] = &["I7"];
/// Keys looked up at once.
const BATCH_KEYS: usize = 5_000;
/// The ledger keeps answers for 48 hours; younger ones than this must be there.
const KEPT_AT_LEAST: Duration = Duration::from_secs(47 * 3_600);

pub(super) async fn check(
    context: Context,
    store: &StoreOf,
    lines: &[Acknowledged],
    recorded: &Recordings,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::of(INVARIANTS, format!("ledger of {context}: each key answers what was acknowledged"));
    let keyed: Vec<_> = lines.iter().filter(|line| line.is_success() && line.key.is_some()).collect();
    outcome.see("keys", keyed.len());
    outcome.see("repeats that the client made", lines.iter().map(|line| u64::from(line.replays)).sum::<u64>());
    one_answer(&keyed, &mut outcome);
    let mut gone = 0_u64;
    for batch in keyed.chunks(BATCH_KEYS) {
        let keys: Vec<&str> = batch.iter().filter_map(|line| line.key.as_deref()).collect();
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "select caller, idempotency_key, answer::text from commands where idempotency_key = any($1)",
        )
        .bind(&keys)
        .fetch_all(&store.database)
        .await?;
        let mut kept: HashMap<&str, Vec<(&str, Kept)>> = HashMap::new();
        for (caller, key, answer) in &rows {
            kept.entry(key).or_default().push((caller, serde_json::from_str(answer)?));
        }
        for line in batch {
            let of_key = kept.get(line.key.as_deref().unwrap_or_default()).map(Vec::as_slice).unwrap_or_default();
            match answers(line, of_key) {
                Found::Same => {}
                Found::Gone if is_old(line, recorded) => gone += 1,
                Found::Gone => outcome.violated(format!("{}: the ledger has no answer to the key", named(line))),
                Found::Differs(reason) => outcome.violated(format!("{}: {reason}", named(line))),
            }
        }
    }
    outcome.see("keys that the ledger has forgotten by age", gone);
    Ok(outcome)
}

/// Lines with one key tell of one answer.
fn one_answer(keyed: &[&Acknowledged], outcome: &mut Outcome) {
    let mut first: HashMap<(&Option<String>, &Option<String>), &Acknowledged> = HashMap::new();
    for line in keyed {
        let before = first.entry((&line.key, &line.caller)).or_insert(line);
        if (&before.aggregate, before.version) != (&line.aggregate, line.version) {
            outcome.violated(format!("{}: the same key was answered otherwise: {}", named(line), named(before)));
        }
    }
}

enum Found {
    Same,
    Gone,
    Differs(String),
}

/// What the ledger keeps under the line's key; where the line does not say whose key it is, of any caller.
fn answers(line: &Acknowledged, kept: &[(&str, Kept)]) -> Found {
    let mut differs = Found::Gone;
    for (_, kept) in kept.iter().filter(|(caller, _)| line.caller.as_deref().is_none_or(|own| own == *caller)) {
        match unlike(line, kept) {
            None => return Found::Same,
            Some(reason) => differs = Found::Differs(reason),
        }
    }
    differs
}

fn unlike(line: &Acknowledged, kept: &Kept) -> Option<String> {
    if !line.aggregate.is_empty() && line.aggregate != kept.aggregate_id {
        return Some(format!("its key now answers of `{}`", kept.aggregate_id));
    }
    if line.version != kept.version {
        return Some(format!("its key now answers version {}", kept.version));
    }
    if !line.events.is_empty() && line.events.len() != kept.events.len() {
        return Some(format!("its key now answers {} events, not {}", kept.events.len(), line.events.len()));
    }
    if matches!(line.status, 200 | 201) && kept.created != (line.status == 201) {
        let created = if kept.created { "made it" } else { "found it there" };
        return Some(format!("its key now answers that the request {created}"));
    }
    let body = line.answer.as_ref().and_then(|body| body.get("version")).and_then(Value::as_i64);
    body.filter(|body| *body != kept.version)
        .map(|body| format!("its body said version {body}, and its key {}", kept.version))
}

/// Its newest event is so old that the ledger may have forgotten the key.
fn is_old(line: &Acknowledged, recorded: &Recordings) -> bool {
    let at = recorded.get(&(line.aggregate.clone(), line.version));
    // Without an event there is no age, and the other check has said what is missing.
    at.is_none_or(|at| {
        let age_micros = platform::clock::now().micros() - at.micros();
        age_micros >= i64::try_from(KEPT_AT_LEAST.as_micros()).unwrap_or(i64::MAX)
    })
}
