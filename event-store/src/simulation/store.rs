//! A store in memory that does what the SQL of the real one does, and says what a command should come to.

#[cfg(test)]
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use envelope::Position;

use super::Fact;
use super::dice::Dice;
use super::gate::{Gate, name, number};
use crate::StoreError;
use crate::appender::batch::{BatchRows, Found, LedgerRow, Stored, Tip};
use crate::appender::batcher::Loaded;
use crate::appender::decision::{Stream, StreamId};
use crate::appender::loading::LoadedStreams;
use crate::appender::rows::EventRow;
use crate::chain;
use crate::codec::Codec;

/// Metadata of events that Postgres refuses for a reason of its own.
pub(crate) const POISON: &str = "poison";

/// Postgres refuses the batch: a key was there already, or an event is not to its taste.
#[derive(Debug)]
pub(crate) struct Refused;

/// A store in memory. What is committed comes into sight as a whole, at once or later; who commits holds the lock until
/// then and hears of it only then.
pub struct StoreModel {
    pub(crate) events: Vec<EventRow>,
    facts: Vec<Fact>,
    /// Committed and not in sight yet: which events, and under which keys there are answers.
    hidden: Vec<Hidden>,
    /// What is committed comes into sight when [`StoreModel::show`] says so.
    pub lags: bool,
    /// What the server is told to do wrong.
    pub defects: Defects,
    /// What it still has to do, though nobody hears of it any more.
    pub(crate) orphans: Vec<Orphan>,
    ledger: HashMap<(String, String), LedgerRow>,
    genesis: Tip,
    /// Every gate as of the first so many events.
    #[cfg(test)]
    gates: Vec<Gates>,
    pub(crate) codec: Arc<Codec<Gate>>,
    /// A gate that cannot be read just now.
    pub(crate) unreadable: Option<usize>,
    /// Somebody holds the lock under which events and answers are written.
    pub(crate) locked: bool,
}

/// Mistakes of a database that are planted to see them found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defects {
    /// It confirms a commit that it may still lose.
    pub confirms_early: bool,
    /// The lock does not wait until what is committed is in sight, so that a later commit may be seen first.
    pub shows_in_any_order: bool,
}

/// Events by their index, and the keys of answers.
type Hidden = (Range<usize>, Vec<(String, String)>);

pub(crate) enum Orphan {
    /// One call of `append`.
    Call(Tip, Arc<BatchRows>),
    /// It holds the lock until it ends.
    Transaction { batches: Vec<(Tip, Arc<BatchRows>)>, commits: bool },
}

/// Every gate with its version.
#[cfg(test)]
pub(crate) type Gates = BTreeMap<String, (i64, Gate)>;

impl Default for StoreModel {
    fn default() -> Self {
        Self::new()
    }
}

impl StoreModel {
    /// A store without events, where everything is in sight at once.
    #[must_use]
    pub fn new() -> Self {
        let genesis = Tip { chain: chain::genesis(uuid::Uuid::nil()), ..Tip::default() };
        let codec = Arc::new(Codec::new(vec![], None));
        Self {
            events: vec![],
            facts: vec![],
            hidden: vec![],
            lags: false,
            defects: Defects::default(),
            orphans: vec![],
            ledger: HashMap::new(),
            genesis,
            #[cfg(test)]
            gates: vec![Gates::new()],
            codec,
            unreadable: None,
            locked: false,
        }
    }

    /// The newest committed event.
    pub(crate) fn newest(&self) -> Tip {
        self.events.last().map_or(self.genesis, Tip::of)
    }

    /// The newest event that a reader sees now.
    pub(crate) fn newest_in_sight(&self) -> Tip {
        let newest = self.events.iter().enumerate().rev().find(|(index, _)| self.sees(*index));
        newest.map_or(self.genesis, |(_, event)| Tip::of(event))
    }

    fn sees(&self, index: usize) -> bool {
        !self.hidden.iter().any(|(events, _)| events.contains(&index))
    }

    /// Whether everything that is committed can be seen.
    #[must_use]
    pub fn is_in_sight(&self) -> bool {
        self.hidden.is_empty()
    }

    /// Something that is committed comes into sight.
    pub fn show(&mut self, dice: &mut Dice) {
        if !self.hidden.is_empty() {
            self.hidden.swap_remove(dice.below(self.hidden.len()));
        }
    }

    /// Everything that is committed, in order of position.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// What a reader gets who asks now for the events after one position up to another.
    #[must_use]
    pub fn range(&self, after: Position, up_to: Position) -> Vec<Fact> {
        let seen = self.facts.iter().enumerate().filter(|(index, _)| self.sees(*index)).map(|(_, fact)| *fact);
        seen.filter(|fact| after < fact.position && fact.position <= up_to).collect()
    }

    /// What a reader gets who asks now for the newest event.
    #[must_use]
    pub fn head(&self) -> Option<Fact> {
        self.facts.iter().enumerate().rev().find(|(index, _)| self.sees(*index)).map(|(_, fact)| *fact)
    }

    /// Whether a call of `append` waits for the lock.
    pub(crate) fn waits(&self, rows: &BatchRows) -> bool {
        self.is_locked() && !is_empty(rows)
    }

    /// Whether somebody who appends keeps others from it.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked || !(self.hidden.is_empty() || self.defects.shows_in_any_order)
    }

    /// Whether the server still has something to do of which nobody hears.
    #[must_use]
    pub fn has_orphans(&self) -> bool {
        !self.orphans.is_empty()
    }

    /// The server ends a transaction of which nobody hears.
    pub fn orphan_ends(&mut self, dice: &mut Dice) {
        if self.orphans.is_empty() {
            return;
        }
        let happens = dice.percent(50);
        match self.orphans.swap_remove(dice.below(self.orphans.len())) {
            Orphan::Call(base, rows) if self.waits(&rows) => self.orphans.push(Orphan::Call(base, rows)),
            Orphan::Call(base, rows) if happens => drop(self.append(&base, &rows)),
            Orphan::Call(..) => {}
            Orphan::Transaction { batches, commits } if commits && happens => self.commit(&batches),
            Orphan::Transaction { .. } => self.locked = false,
        }
    }

    /// See `append` in the migration.
    pub(crate) fn append(&mut self, base: &Tip, rows: &BatchRows) -> Result<Option<Found>, Refused> {
        let found = self.examine(base, rows)?;
        if found.is_some() {
            self.write([rows]);
        }
        Ok(found)
    }

    /// What `append` says, before it is seen by anybody else. What only asks takes no lock.
    pub(crate) fn examine(&self, base: &Tip, rows: &BatchRows) -> Result<Option<Found>, Refused> {
        let newest = if is_empty(rows) { self.newest_in_sight() } else { self.newest() };
        if (newest.position, newest.chain) != (base.position, base.chain) {
            return Ok(None);
        }
        let begun = |id: &StreamId| self.events.iter().any(|event| event.aggregate_id == id.aggregate_id);
        if rows.presumed.iter().any(begun) {
            return Ok(None);
        }
        let found = self.answers(&rows.sought);
        let name = |row: &LedgerRow| (row.caller.clone(), row.key.clone());
        if rows.events.iter().any(|row| &*row.metadata == POISON) {
            return Err(Refused);
        }
        if rows.ledger.iter().any(|row| row.first && self.ledger.contains_key(&name(row))) {
            return Err(Refused);
        }
        Ok(Some(found))
    }

    /// Ends a transaction that held the lock.
    pub(crate) fn commit(&mut self, batches: &[(Tip, Arc<BatchRows>)]) {
        self.locked = false;
        self.write(batches.iter().map(|(_, rows)| &**rows));
    }

    fn write<'r>(&mut self, batches: impl IntoIterator<Item = &'r BatchRows>) {
        let (from, mut keys) = (self.events.len(), vec![]);
        for rows in batches {
            for row in &rows.events {
                self.check(row);
                self.put(row);
            }
            for row in &rows.ledger {
                let name = (row.caller.clone(), row.key.clone());
                keys.push(name.clone());
                self.ledger.entry(name).or_insert_with(|| row.clone());
            }
        }
        if self.lags && (self.events.len() > from || !keys.is_empty()) {
            self.hidden.push((from..self.events.len(), keys));
        }
    }

    /// What the constraints of the table and the walk of `verify` look at.
    fn check(&self, row: &EventRow) {
        let newest = self.newest();
        assert_eq!(row.position, newest.position.next(), "positions have no gap");
        assert_eq!(row.chain, chain::after(&newest.chain, &row.link()), "the chain goes on");
        assert!(row.recorded_at >= newest.recorded_at, "time does not go back");
        let before = self.events.iter().filter(|event| event.aggregate_id == row.aggregate_id).count();
        assert_eq!(row.sequence, count(before) + 1, "{}", row.aggregate_id);
    }

    pub(crate) fn answers(&self, keys: &[(String, String)]) -> Found {
        let hidden = |key: &(String, String)| self.hidden.iter().any(|(_, keys)| keys.contains(key));
        let found = keys.iter().filter(|key| !hidden(key)).filter_map(|key| {
            let row = self.ledger.get(key)?;
            let done = serde_json::from_str(&row.answer).expect("answers are written as JSON");
            Some((key.clone(), Ok(Stored { fingerprint: row.fingerprint, done })))
        });
        found.collect()
    }

    /// Whether this event stands where it would.
    pub(crate) fn holds(&self, tip: &Tip) -> bool {
        let at = index(tip.position);
        at.checked_sub(1).map_or(tip.chain == self.genesis.chain, |at| {
            self.events.get(at).is_some_and(|event| event.chain == tip.chain)
        })
    }

    pub(crate) fn after(&self, position: Position, events_max: u16) -> Vec<EventRow> {
        let after = self.events.iter().enumerate().skip(index(position)).filter(|(index, _)| self.sees(*index));
        after.map(|(_, event)| event.clone()).take(events_max.into()).collect()
    }

    fn load(&self, stream: &Stream) -> Loaded {
        let mut loaded = Loaded { sequence: 0, last_position: Position::ZERO, state: Arc::clone(&stream.kind).empty() };
        let seen = self.events.iter().enumerate().filter(|(index, _)| self.sees(*index)).map(|(_, event)| event);
        for event in seen.filter(|event| event.aggregate_id == stream.id.aggregate_id) {
            loaded.state.apply(event).expect("the store holds what gates have written");
            (loaded.sequence, loaded.last_position) = (event.sequence, event.position);
        }
        loaded
    }

    pub(crate) fn load_all(&self, streams: &[Stream]) -> LoadedStreams {
        let unreadable = self.unreadable.map(name);
        let load = |stream: &Stream| match &unreadable {
            Some(name) if **name == *stream.id.aggregate_id => Err(StoreError::Closed),
            _ => Ok(self.load(stream)),
        };
        streams.iter().map(|stream| (stream.id.clone(), load(stream))).collect()
    }

    /// Every gate as of the first so many events.
    #[cfg(test)]
    pub(crate) fn gates(&self, count: usize) -> &Gates {
        &self.gates[count]
    }

    fn put(&mut self, event: &EventRow) {
        let what = self.codec.decode(event).expect("the store holds what gates have written");
        let EventRow { position, sequence, event_id, .. } = *event;
        let asked = event.metadata.parse().unwrap_or(usize::MAX);
        self.facts.push(Fact { position, gate: number(&event.aggregate_id), sequence, event_id, what, asked });
        self.events.push(event.clone());
        #[cfg(test)]
        self.fold(event, what);
    }

    #[cfg(test)]
    fn fold(&mut self, event: &EventRow, what: super::gate::GateEvent) {
        use cqrs_es::Aggregate as _;
        let mut gates = self.gates.last().expect("the first is there before any event").clone();
        let (version, gate) = gates.entry(event.aggregate_id.to_string()).or_default();
        *version = event.sequence;
        gate.apply(what);
        self.gates.push(gates);
    }
}

fn is_empty(rows: &BatchRows) -> bool {
    rows.events.is_empty() && rows.ledger.is_empty()
}

fn index(position: Position) -> usize {
    usize::try_from(position.get()).expect("positions are not negative")
}

fn count(of: usize) -> i64 {
    i64::try_from(of).expect("there are few")
}
