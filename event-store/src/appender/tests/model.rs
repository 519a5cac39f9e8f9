//! A store in memory that does what the SQL of the real one does, and says what a command should come to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cqrs_es::Aggregate as _;
use envelope::Position;

use super::gate::{Gate, GateCommand, GateEvent, Part, Wants, name};
use crate::StoreError;
use crate::appender::batch::{BatchRows, Found, LedgerRow, Stored, Tip};
use crate::appender::batcher::Loaded;
use crate::appender::decision::{Stream, StreamId};
use crate::appender::loading::LoadedStreams;
use crate::appender::rows::EventRow;
use crate::chain;
use crate::codec::Codec;

/// Metadata of events that Postgres refuses for a reason of its own.
pub(super) const POISON: &str = "poison";

/// Postgres refuses the batch: a key was there already, or an event is not to its taste.
#[derive(Debug)]
pub(super) struct Refused;

pub(super) struct StoreModel {
    pub(super) events: Vec<EventRow>,
    ledger: HashMap<(String, String), LedgerRow>,
    genesis: Tip,
    /// Every gate as of the first so many events.
    gates: Vec<Gates>,
    pub(super) codec: Arc<Codec<Gate>>,
    /// A gate that cannot be read just now.
    pub(super) unreadable: Option<usize>,
    /// Somebody holds the lock under which events and answers are written.
    pub(super) locked: bool,
}

/// What a command comes to on a certain state.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Closed,
    Conflict { expected: i64, actual: i64 },
    Nothing,
    Events(Vec<String>),
}

/// Every gate with its version.
pub(super) type Gates = BTreeMap<String, (i64, Gate)>;

impl StoreModel {
    pub(super) fn new() -> Self {
        let genesis = Tip { chain: chain::genesis(uuid::Uuid::nil()), ..Tip::default() };
        let codec = Arc::new(Codec::new(vec![], None));
        Self {
            events: vec![],
            ledger: HashMap::new(),
            genesis,
            gates: vec![Gates::new()],
            codec,
            unreadable: None,
            locked: false,
        }
    }

    pub(super) fn newest(&self) -> Tip {
        self.events.last().map_or(self.genesis, Tip::of)
    }

    /// Whether a call of `append` waits for the lock.
    pub(super) fn waits(&self, rows: &BatchRows) -> bool {
        self.locked && !(rows.events.is_empty() && rows.ledger.is_empty())
    }

    /// See `append` in the migration.
    pub(super) fn append(&mut self, base: &Tip, rows: &BatchRows) -> Result<Option<Found>, Refused> {
        let found = self.examine(base, rows)?;
        if found.is_some() {
            self.write(rows);
        }
        Ok(found)
    }

    /// What `append` says, before it is seen by anybody else.
    pub(super) fn examine(&self, base: &Tip, rows: &BatchRows) -> Result<Option<Found>, Refused> {
        let newest = self.newest();
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
    pub(super) fn commit(&mut self, batches: &[(Tip, Arc<BatchRows>)]) {
        for (base, rows) in batches {
            assert_eq!(self.newest().chain, base.chain, "nobody else appends while the lock is held");
            self.write(rows);
        }
        self.locked = false;
    }

    fn write(&mut self, rows: &BatchRows) {
        for row in &rows.events {
            self.check(row);
            self.put(row);
        }
        for row in &rows.ledger {
            self.ledger.entry((row.caller.clone(), row.key.clone())).or_insert_with(|| row.clone());
        }
    }

    /// What the constraints of the table and the walk of `verify` look at.
    fn check(&self, row: &EventRow) {
        let newest = self.newest();
        assert_eq!(row.position, newest.position.next());
        assert_eq!(row.chain, chain::after(&newest.chain, &row.link()));
        assert!(row.recorded_at >= newest.recorded_at);
        let before = self.events.iter().filter(|event| event.aggregate_id == row.aggregate_id).count();
        assert_eq!(row.sequence, i64::try_from(before).unwrap() + 1, "{}", row.aggregate_id);
    }

    pub(super) fn answers(&self, keys: &[(String, String)]) -> Found {
        let found = keys.iter().filter_map(|key| {
            let row = self.ledger.get(key)?;
            let done = serde_json::from_str(&row.answer).unwrap();
            Some((key.clone(), Ok(Stored { fingerprint: row.fingerprint, done })))
        });
        found.collect()
    }

    /// Whether this event stands where it would.
    pub(super) fn holds(&self, tip: &Tip) -> bool {
        let at = usize::try_from(tip.position.get()).unwrap();
        at.checked_sub(1).map_or(tip.chain == self.genesis.chain, |at| {
            self.events.get(at).is_some_and(|event| event.chain == tip.chain)
        })
    }

    pub(super) fn after(&self, position: Position, events_max: u16) -> Vec<EventRow> {
        self.events.iter().skip(usize::try_from(position.get()).unwrap()).take(events_max.into()).cloned().collect()
    }

    fn load(&self, stream: &Stream) -> Loaded {
        let mut loaded = Loaded { sequence: 0, last_position: Position::ZERO, state: Arc::clone(&stream.kind).empty() };
        for event in self.events.iter().filter(|event| event.aggregate_id == stream.id.aggregate_id) {
            loaded.state.apply(event).unwrap();
            (loaded.sequence, loaded.last_position) = (event.sequence, event.position);
        }
        loaded
    }

    pub(super) fn load_all(&self, streams: &[Stream]) -> LoadedStreams {
        let unreadable = self.unreadable.map(name);
        let load = |stream: &Stream| match &unreadable {
            Some(name) if **name == *stream.id.aggregate_id => Err(StoreError::Closed),
            _ => Ok(self.load(stream)),
        };
        streams.iter().map(|stream| (stream.id.clone(), load(stream))).collect()
    }

    /// Every gate as of the first so many events.
    pub(super) fn gates(&self, count: usize) -> &Gates {
        &self.gates[count]
    }

    fn put(&mut self, event: &EventRow) {
        let mut gates = self.gates.last().unwrap().clone();
        let (version, gate) = gates.entry(event.aggregate_id.to_string()).or_default();
        *version = event.sequence;
        gate.apply(self.codec.decode(event).unwrap());
        self.gates.push(gates);
        self.events.push(event.clone());
    }
}

/// Decides without any of the code under test.
pub(super) fn judge(before: &Gates, parts: &[Part]) -> Verdict {
    let mut gates = before.clone();
    let mut events = BTreeMap::<usize, Vec<String>>::new();
    let mut order = Vec::new();
    for part in parts {
        let (version, gate) = gates.entry(name(part.gate)).or_default();
        if let Some(expected) = part.expected.filter(|expected| expected != version) {
            return Verdict::Conflict { expected, actual: *version };
        }
        let new = match part.wants {
            Wants::Open | Wants::Command(GateCommand::Pass { .. }) if !gate.open => return Verdict::Closed,
            Wants::Open => vec![],
            Wants::Command(GateCommand::Pass { by, times }) => vec![GateEvent::Passed { by }; times],
            Wants::Command(GateCommand::Switch { open }) if gate.open == open => vec![],
            Wants::Command(GateCommand::Switch { open }) => vec![GateEvent::Switched { open }],
        };
        for event in new {
            if !order.contains(&part.gate) {
                order.push(part.gate);
            }
            events.entry(part.gate).or_default().push(name(part.gate));
            *version += 1;
            gate.apply(event);
        }
    }
    let events: Vec<String> = order.into_iter().filter_map(|gate| events.remove(&gate)).flatten().collect();
    if events.is_empty() { Verdict::Nothing } else { Verdict::Events(events) }
}
