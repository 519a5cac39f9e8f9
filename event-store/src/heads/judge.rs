//! Compares signed heads with what a store holds; without I/O.
//!
//! A head agrees with a store if the same event and the same chain stand at its position, because the chain covers
//! everything before. Whether the chains that stand in the store are the right ones for their events is shown by the
//! walk, so the two belong together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use envelope::{History, Position};
use uuid::Uuid;

use super::finding::{Finding, Note, Report};
use super::key::PublicKey;
use super::statement::{SignedHead, Statement};
use crate::chain::Chain;

/// How many forged, unreadable or misplaced heads are named one by one.
const NAMED_MAX: usize = 100;

/// What was found in the places where heads are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The heads, from all places, in any order.
    pub heads: Vec<SignedHead>,
    /// What stands there and is no head: its place and why not.
    pub unreadable: Vec<(String, String)>,
    /// Places whose last line breaks off.
    pub torn: Vec<String>,
}

/// What a store holds at the positions that were signed.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) context: String,
    pub(crate) genesis: Uuid,
    pub(crate) history: History,
    pub(crate) head: Position,
    /// The event and the chain, where there is one; at position 0 the chain of the genesis.
    pub(crate) at: HashMap<Position, (Option<Uuid>, Chain)>,
}

impl Collected {
    /// Adds what another place holds.
    pub fn extend(&mut self, other: Self) {
        self.heads.extend(other.heads);
        self.unreadable.extend(other.unreadable);
        self.torn.extend(other.torn);
    }

    /// The newest of them, and every recovery; in the order in which they were kept.
    pub(super) fn newest(mut self, count: usize) -> Self {
        let old = self.heads.len().saturating_sub(count);
        let mut number = 0;
        self.heads.retain(|head| {
            number += 1;
            number > old || head.statement.ended.is_some()
        });
        self
    }

    /// The positions to look at.
    pub(crate) fn positions(&self) -> Vec<i64> {
        let positions: BTreeSet<i64> = self.heads.iter().map(|head| head.statement.position.get()).collect();
        positions.into_iter().filter(|position| *position > 0).collect()
    }
}

/// Says what the heads have against the store. With no key to trust, every genuine head is taken at its word.
pub(crate) fn judge(facts: &Facts, collected: &Collected, trusted: &[PublicKey]) -> Report {
    let mut report = Report::default();
    report.notes.extend(collected.torn.iter().cloned().map(Note::Torn));
    let unreadable = collected.unreadable.iter().take(NAMED_MAX);
    report
        .findings
        .extend(unreadable.map(|(place, reason)| Finding::Unreadable { place: place.clone(), reason: reason.clone() }));
    let genuine = genuine(facts, collected, trusted, &mut report);
    let (mine, others): (Vec<&Statement>, Vec<&Statement>) =
        genuine.into_iter().partition(|statement| statement.genesis == facts.genesis);
    if let Some(other) = others.iter().max_by_key(|statement| (statement.at, statement.position)) {
        report.findings.push(Finding::OtherDatabase {
            signed: other.genesis,
            found: facts.genesis,
            at: other.at,
            position: other.position,
        });
    }
    report.heads = mine.len();
    history(facts, &mine, &mut report);
    let recoveries: Vec<&Statement> = mine.iter().copied().filter(|statement| statement.ended.is_some()).collect();
    let (given_up, held): (Vec<&Statement>, Vec<&Statement>) =
        mine.iter().copied().partition(|statement| recoveries.iter().any(|recovery| gives_up(recovery, statement)));
    let (replaced, held): (Vec<&Statement>, Vec<&Statement>) =
        held.into_iter().partition(|statement| recoveries.iter().any(|known| accepts(facts, known, statement)));
    report.newest = held.iter().max_by_key(|held| (held.position, held.at)).map(|held| (held.position, held.at));
    positions(facts, &held, &mut report);
    for recovery in recoveries {
        let ended = recovery.ended.expect("only recoveries are here");
        let lost = given_up.iter().filter(|head| head.history == ended && gives_up(recovery, head));
        report.notes.push(Note::Recovered {
            at: recovery.at,
            ended,
            history: recovery.history,
            kept: recovery.position,
            lost: lost.map(|head| head.position).max(),
        });
        let replaced = || replaced.iter().filter(|head| accepts(facts, recovery, head)).map(|head| head.position);
        if let (Some(first), Some(up_to)) = (replaced().min(), replaced().max()) {
            let sound = held.iter().map(|head| head.position).filter(|position| *position < first);
            let agrees = sound.max().unwrap_or(Position::ZERO);
            report.notes.push(Note::Replaced { at: recovery.at, ended, agrees, up_to });
        }
    }
    report
}

/// Those whose signature is right, whose signer is trusted and which are of this store, each once, oldest first.
fn genuine<'a>(
    facts: &Facts,
    collected: &'a Collected,
    trusted: &[PublicKey],
    report: &mut Report,
) -> Vec<&'a Statement> {
    let mut seen = HashSet::new();
    let mut strangers: BTreeMap<&str, (usize, Position)> = BTreeMap::new();
    let mut unvouched = BTreeSet::new();
    let mut genuine = Vec::new();
    let mut named = Vec::new();
    for head in collected.heads.iter().filter(|head| seen.insert(&head.signature)) {
        let SignedHead { statement, key, .. } = head;
        if !head.is_genuine() {
            named.push(Finding::Forged { position: statement.position, at: statement.at });
        } else if !trusted.is_empty() && !head.signer().is_some_and(|signer| trusted.contains(&signer)) {
            let (count, position) = strangers.entry(key).or_insert((0, Position::ZERO));
            (*count, *position) = (*count + 1, (*position).max(statement.position));
        } else if statement.context != facts.context {
            named.push(Finding::Misplaced { context: statement.context.clone() });
        } else {
            if trusted.is_empty() {
                unvouched.insert(key.clone());
            }
            genuine.push(statement);
        }
    }
    named.truncate(NAMED_MAX);
    report.findings.extend(named);
    report.findings.extend(strangers.into_iter().map(|(key, (heads, position))| Finding::Stranger {
        key: key.to_owned(),
        heads,
        position,
    }));
    report.notes.extend(unvouched.into_iter().map(Note::Unvouched));
    genuine.sort_by_key(|statement| (statement.at, statement.position));
    genuine
}

/// Whether the history that the store is in is one that goes on.
fn history(facts: &Facts, mine: &[&Statement], report: &mut Report) {
    let ended = mine.iter().find(|statement| statement.ended == Some(facts.history));
    if let Some(recovery) = ended {
        report.findings.push(Finding::EndedHistory { history: facts.history, at: recovery.at, next: recovery.history });
    } else if !mine.is_empty() && mine.iter().all(|statement| statement.history != facts.history) {
        report.notes.push(Note::UnsignedHistory(facts.history));
    }
}

/// Whether a recovery says that what this head speaks of is lost. Those of the ended history are its own matter; older
/// ones, whose recovery left no trace because it was interrupted, are known by their time.
fn gives_up(recovery: &Statement, head: &Statement) -> bool {
    recovery.position < head.position
        && recovery.history != head.history
        && (recovery.ended == Some(head.history) || recovery.at >= head.at)
}

/// Whether a recovery began its history on a store in which other events had taken the place of what this head speaks
/// of: an older copy that had gone on before anybody noticed. Only if the store still has what the recovery found.
fn accepts(facts: &Facts, recovery: &Statement, head: &Statement) -> bool {
    recovery.ended == Some(head.history)
        && recovery.at >= head.at
        && head.position <= recovery.position
        && stands(facts, recovery)
        && !stands(facts, head)
}

/// Whether the store has what this head speaks of.
fn stands(facts: &Facts, head: &Statement) -> bool {
    facts.at.get(&head.position) == Some(&(head.event_id, head.chain))
}

/// Compares position by position, and says it once for all that disagree.
fn positions(facts: &Facts, held: &[&Statement], report: &mut Report) {
    let within = held.iter().copied().filter(|head| head.position <= facts.head);
    let (agreeing, differing): (Vec<&Statement>, Vec<&Statement>) = within.partition(|head| stands(facts, head));
    let differs = differing.iter().map(|head| head.position).min();
    // Above the first that differs only what was signed after the change can agree.
    let sound = agreeing.iter().map(|head| head.position).filter(|at| differs.is_none_or(|differs| *at < differs));
    let agrees = sound.max().unwrap_or(Position::ZERO);
    if let Some(differs) = differs {
        let newest = differing.iter().max_by_key(|head| (head.position, head.at)).expect("there is one");
        report.findings.push(Finding::Rewritten { agrees, differs, up_to: newest.position, at: newest.at });
    }
    let beyond = held.iter().filter(|head| head.position > facts.head).max_by_key(|head| (head.position, head.at));
    if let Some(newest) = beyond {
        report.findings.push(Finding::Cut { agrees, head: facts.head, signed: newest.position, at: newest.at });
    }
}

#[cfg(test)]
mod tests;
