//! One walk over a store: every event that was acknowledged is met where the answer said, and with a complete journal
//! none besides.

use std::collections::{HashMap, HashSet};

use envelope::{Position, Recorded, Timestamp};
use event_schemas::Context;
use event_store::{RawPayload, StoreError};
use platform::bar::Bar;

use super::named;
use crate::acknowledged::Acknowledged;
use crate::subject::StoreOf;
use crate::{EVIDENCE_MAX, Outcome};

const INVARIANTS: &[&str] = &["I1"];
/// Events read in one short transaction.
const RANGE_EVENTS: i64 = 50_000;
/// How the actors of commands begin that policies send.
const POLICY: &str = "policy:";

/// When each event of the journal was recorded, by aggregate and sequence.
pub(super) type Recordings = HashMap<(String, i64), Timestamp>;

/// What the journal says of one aggregate.
#[derive(Default)]
struct Told<'l> {
    /// By sequence: what must stand there, and who was told so.
    due: HashMap<i64, (Option<&'l str>, &'l Acknowledged)>,
    /// So many events it may have at most.
    accounted: i64,
    /// So many it has.
    there: i64,
}

pub(super) async fn check(
    context: Context,
    store: &StoreOf,
    lines: &[Acknowledged],
    complete: bool,
) -> anyhow::Result<(Outcome, Recordings)> {
    let what = format!("store {context}: every acknowledged event is there, once");
    let mut outcome = Outcome::of(INVARIANTS, what).seen("lines of the journal", lines.len());
    outcome.see("acknowledged", lines.iter().filter(|line| line.is_success()).count());
    outcome.see("of unknown outcome", lines.iter().filter(|line| line.is_unknown()).count());
    let (mut told, anywhere) = told(lines, &mut outcome);
    let mut walked = Walk { told: &mut told, complete, recordings: Recordings::new(), others: HashMap::new(), outcome };
    let head = store.reader.head().await?.position.get();
    let bar = Bar::new(format!("journal of {context}"), Some(head.unsigned_abs()));
    let mut at = 0;
    while at < head {
        let up_to = (at + RANGE_EVENTS).min(head);
        let each = |event: Recorded<RawPayload>| {
            walked.meet(&event);
            Ok::<_, StoreError>(())
        };
        store.reader.range_copy(Position(at), Position(up_to), each).await?;
        bar.add((up_to - at).unsigned_abs());
        at = up_to;
    }
    bar.finish();
    let Walk { recordings, others, mut outcome, .. } = walked;
    for (aggregate, of) in &told {
        for (sequence, (_, line)) in &of.due {
            if !recordings.contains_key(&((*aggregate).to_owned(), *sequence)) {
                outcome.violated(format!("{}: the store has no event {sequence} of it", named(line)));
            }
        }
    }
    if complete {
        unaccounted(context, &told, &others, anywhere, &mut outcome);
    }
    Ok((outcome, recordings))
}

/// What the journal says, by aggregate, and how many events it accounts for without knowing their aggregate.
fn told<'l>(lines: &'l [Acknowledged], outcome: &mut Outcome) -> (HashMap<&'l str, Told<'l>>, i64) {
    let mut told: HashMap<&str, Told<'_>> = HashMap::new();
    // A request that was sent again under its key accounts for its events once.
    let mut counted: HashSet<(&str, Option<&str>, &str)> = HashSet::new();
    let mut anywhere = 0;
    for line in lines.iter().filter(|line| line.is_success() || line.is_unknown()) {
        let count = i64::try_from(line.events.len()).unwrap_or(i64::MAX);
        let again =
            line.key.as_deref().is_some_and(|key| !counted.insert((key, line.caller.as_deref(), &line.aggregate)));
        if line.aggregate.is_empty() {
            anywhere += if again { 0 } else { count.max(1) };
            continue;
        }
        let of = told.entry(&line.aggregate).or_default();
        of.accounted += if again { 0 } else { count };
        if !line.is_success() || line.version == 0 {
            continue;
        }
        if line.events.is_empty() {
            // Nothing new, or the client does not know what: what was there at that version is accounted for.
            of.accounted = of.accounted.max(line.version);
            of.due.entry(line.version).or_insert((None, line));
        }
        for (sequence, event_type) in (line.version - count + 1..).zip(&line.events) {
            let due = (Some(event_type.as_str()), line);
            if let Some((Some(_), other)) = of.due.insert(sequence, due)
                && (other.key != line.key || other.key.is_none())
            {
                outcome.violated(format!("{}: event {sequence} was also the effect of: {}", named(line), named(other)));
            }
        }
    }
    (told, anywhere)
}

struct Walk<'t, 'l> {
    told: &'t mut HashMap<&'l str, Told<'l>>,
    recordings: Recordings,
    /// The journal says everything that is to be said.
    complete: bool,
    /// How many events aggregates have of which the journal says nothing.
    others: HashMap<String, i64>,
    outcome: Outcome,
}

impl Walk<'_, '_> {
    fn meet(&mut self, event: &Recorded<RawPayload>) {
        // What follows from other events nobody outside was told of.
        let follows = event.cause.actor.starts_with(POLICY);
        let Some(of) = self.told.get_mut(event.aggregate_id.as_str()) else {
            if self.complete && !follows {
                *self.others.entry(event.aggregate_id.clone()).or_default() += 1;
            }
            return;
        };
        of.there += i64::from(!follows);
        let Some((due, line)) = of.due.get(&event.sequence) else { return };
        let (id, sequence) = (&event.aggregate_id, event.sequence);
        if self.recordings.insert((id.clone(), sequence), event.recorded_at).is_some() {
            let position = event.position;
            self.outcome
                .violated(format!("{}: event {sequence} is there twice, also at position {position}", named(line)));
        }
        if let Some(due) = due.filter(|due| *due != &*event.event_type) {
            let found = &event.event_type;
            self.outcome.violated(format!("{}: event {sequence} should be {due} and is {found}", named(line)));
        }
    }
}

fn unaccounted(
    context: Context,
    told: &HashMap<&str, Told<'_>>,
    others: &HashMap<String, i64>,
    anywhere: i64,
    outcome: &mut Outcome,
) {
    for (aggregate, of) in told.iter().filter(|(_, of)| of.there > of.accounted) {
        let Told { there, accounted, .. } = of;
        outcome
            .violated(format!("{context}: `{aggregate}` has {there} events, and the journal accounts for {accounted}"));
    }
    let beside: i64 = others.values().sum();
    outcome.see("events of unnamed aggregates", beside);
    if beside > anywhere {
        let mut some: Vec<_> = others.keys().map(String::as_str).collect();
        some.sort_unstable();
        some.truncate(EVIDENCE_MAX);
        outcome.violated(format!(
            "{context}: {beside} events are of aggregates that the journal does not name, and it accounts for \
             {anywhere}; such as {}",
            some.join(", ")
        ));
    }
}
