//! Random histories of a store, a topic, a relay and its rival. Whatever happens, at rest a reader that comes with
//! nothing and takes a record only if `previous <= highest < position` has every event, in order.
//!
//! One pair of faults is left out: a log that loses its tail while a zombie still writes. The zombie's repeat can stand
//! exactly where the lost record stood, and nothing then tells the logs apart; such a reader stands still at the hole.
//! Readers of ours read the store there. This property found it.

use std::collections::VecDeque;

use envelope::{History, Position};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use uuid::Uuid;

use super::super::{Cursor, Kept, LogReset, bounds_hold};
use crate::relay::start::{Mark, Place, Plan, Seen, doubt, plan};

const PARTITIONS: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Publish,
    /// The broker writes the oldest record under way in a partition and says so.
    Deliver(usize),
    /// The same report comes twice.
    DeliverTwice(usize),
    /// The producer drops a record, writes the next and only then reports the error.
    Drop(usize),
    Save,
    Watch,
    /// The leader dies with what is under way.
    Crash,
    /// Another one leads; the old one does not know it yet.
    Depose,
    ZombiePublishes,
    ZombieDelivers(usize),
    Wipe(usize),
    LoseTail(usize, usize),
    CutHead(usize),
}

#[derive(Clone, Copy, Debug)]
struct Record {
    previous: Position,
    position: Position,
}

#[derive(Default)]
struct Log {
    low: i64,
    records: Vec<Record>,
}

struct Session {
    cursor: Cursor,
    wire: Vec<VecDeque<Record>>,
}

struct World {
    /// The partition of each event.
    store: Vec<usize>,
    logs: Vec<Log>,
    row: (Position, Vec<Kept>),
    leader: Session,
    zombie: Option<Session>,
    tail_lost: bool,
}

impl Log {
    fn end(&self) -> i64 {
        self.low + i64::try_from(self.records.len()).expect("short")
    }

    fn place(&self, offset: i64) -> Place {
        let record = usize::try_from(offset - self.low).ok().and_then(|index| self.records.get(index));
        record.map_or(Place::Nothing, |record| {
            Place::Ours(Mark {
                position: record.position,
                previous: record.previous,
                history: History(Uuid::nil()),
                event_id: Uuid::nil(),
            })
        })
    }

    fn seen(&self, kept: &Kept) -> Seen {
        let anchor = kept.offset.map_or(Place::Nothing, |offset| self.place(offset));
        Seen { end: self.end(), low: self.low, first: self.place(self.low), anchor, last: self.place(self.end() - 1) }
    }
}

impl Session {
    fn begin(row: &mut (Position, Vec<Kept>), logs: &mut [Log]) -> Self {
        let seen: Vec<_> = row.1.iter().zip(logs.iter()).map(|(kept, log)| log.seen(kept)).collect();
        let Plan { checkpoint, kept, lanes, refills } = plan(row.0, &row.1, &seen);
        *row = (checkpoint, kept);
        for (partition, end) in refills {
            logs[partition].low = end;
            logs[partition].records.clear();
        }
        Self { cursor: Cursor::new(row.0, &lanes), wire: vec![VecDeque::new(); PARTITIONS] }
    }

    fn publish(&mut self, store: &[usize]) {
        let position = self.cursor.read().next();
        let Some(partition) = store.get(usize::try_from(position.get() - 1).expect("positive")).copied() else {
            return;
        };
        if let Some(previous) = self.cursor.previous(partition, position) {
            self.wire[partition].push_back(Record { previous, position });
        }
        self.cursor.published(partition, position);
    }

    /// An error ends the session.
    fn deliver(&mut self, partition: usize, logs: &mut [Log]) -> Result<(), LogReset> {
        let Some(record) = self.wire[partition].pop_front() else { return Ok(()) };
        let offset = logs[partition].end();
        logs[partition].records.push(record);
        self.cursor.acknowledge(partition, record.position, Some(offset))
    }
}

impl World {
    fn new() -> Self {
        let mut logs: Vec<Log> = (0..PARTITIONS).map(|_| Log::default()).collect();
        let mut row = (Position::ZERO, vec![Kept::default(); PARTITIONS]);
        let leader = Session::begin(&mut row, &mut logs);
        Self { store: vec![], logs, row, leader, zombie: None, tail_lost: false }
    }

    fn save(&mut self) {
        self.row = (self.leader.cursor.checkpoint(), self.leader.cursor.kept());
    }

    /// The session ends in an orderly way, and a new one begins.
    fn again(&mut self) {
        self.save();
        self.leader = Session::begin(&mut self.row, &mut self.logs);
    }

    fn again_after(&mut self, reset: &LogReset) {
        self.save();
        self.row.0 = doubt(self.row.0, &mut self.row.1[reset.partition()]);
        self.leader = Session::begin(&mut self.row, &mut self.logs);
    }

    fn watch(&mut self) {
        let bounds: Vec<_> = self.logs.iter().map(|log| (log.low, log.end())).collect();
        if let Err(reset) = bounds_hold(&self.leader.cursor.known(), &bounds) {
            self.again_after(&reset);
        }
    }

    fn deliver(&mut self, partition: usize) {
        if let Err(reset) = self.leader.deliver(partition, &mut self.logs) {
            self.again_after(&reset);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append(partition) => self.store.push(partition),
            Step::Publish => self.leader.publish(&self.store),
            Step::Deliver(partition) => self.deliver(partition),
            Step::DeliverTwice(partition) => {
                let twice = self.leader.wire[partition].front().copied();
                let offset = self.logs[partition].end();
                self.deliver(partition);
                if let Some(record) = twice {
                    let repeated = self.leader.cursor.acknowledge(partition, record.position, Some(offset));
                    assert!(repeated.is_ok(), "a repeated report is no trouble");
                }
            }
            Step::Drop(partition) => {
                if self.leader.wire[partition].pop_front().is_some() {
                    self.deliver(partition);
                    self.again();
                }
            }
            Step::Save => self.save(),
            Step::Watch => self.watch(),
            Step::Crash => self.leader = Session::begin(&mut self.row, &mut self.logs),
            Step::Depose if self.tail_lost => self.step(&Step::Crash),
            Step::Depose => {
                let next = Session::begin(&mut self.row, &mut self.logs);
                self.zombie = Some(std::mem::replace(&mut self.leader, next));
            }
            Step::ZombiePublishes => self.zombie.iter_mut().for_each(|zombie| zombie.publish(&self.store)),
            Step::ZombieDelivers(partition) => {
                if self.zombie.as_mut().is_some_and(|zombie| zombie.deliver(partition, &mut self.logs).is_err()) {
                    self.zombie = None;
                }
            }
            Step::Wipe(partition) => self.logs[partition] = Log::default(),
            Step::LoseTail(partition, count) => {
                (self.zombie, self.tail_lost) = (None, true);
                let left = self.logs[partition].records.len().saturating_sub(count);
                self.logs[partition].records.truncate(left);
            }
            Step::CutHead(partition) => {
                let log = &mut self.logs[partition];
                let cut = log.records.len() / 2;
                log.records.drain(..cut);
                log.low += i64::try_from(cut).expect("short");
            }
        }
    }

    /// Faults end, the leader is started once more, as any is some day, and carries on until nothing is left to do.
    fn rest(&mut self) {
        self.zombie = None;
        for round in 0..4 {
            while self.leader.cursor.in_flight() > 0 || self.leader.cursor.read().get() < self.store.len() as i64 {
                self.leader.publish(&self.store);
                (0..PARTITIONS).for_each(|partition| self.deliver(partition));
            }
            self.watch();
            if round < 2 {
                self.again();
            }
        }
    }

    fn holds(&self) -> Result<(), TestCaseError> {
        for (partition, log) in self.logs.iter().enumerate() {
            let mut highest = Position::ZERO;
            let mut taken = vec![];
            for record in &log.records {
                if record.previous <= highest && highest < record.position {
                    highest = record.position;
                    taken.push(record.position.get());
                }
            }
            let has = (1_i64..).zip(&self.store).filter(|(_, at)| **at == partition).map(|(at, _)| at);
            prop_assert_eq!(taken, has.collect::<Vec<_>>(), "partition {} holds {:?}", partition, &log.records);
        }
        prop_assert_eq!(self.leader.cursor.checkpoint().get(), self.store.len() as i64);
        Ok(())
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let partition = 0..PARTITIONS;
    let step = prop_oneof![
        6 => partition.clone().prop_map(Step::Append),
        8 => Just(Step::Publish),
        8 => partition.clone().prop_map(Step::Deliver),
        1 => partition.clone().prop_map(Step::DeliverTwice),
        1 => partition.clone().prop_map(Step::Drop),
        3 => Just(Step::Save),
        1 => Just(Step::Watch),
        1 => Just(Step::Crash),
        1 => Just(Step::Depose),
        2 => Just(Step::ZombiePublishes),
        2 => partition.clone().prop_map(Step::ZombieDelivers),
    ];
    proptest::collection::vec(step, 0..80)
}

fn fault() -> impl Strategy<Value = Step> {
    let partition = 0..PARTITIONS;
    prop_oneof![
        partition.clone().prop_map(Step::Wipe),
        (partition.clone(), 1..4_usize).prop_map(|(partition, count)| Step::LoseTail(partition, count)),
        partition.prop_map(Step::CutHead),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        rng_seed: RngSeed::Fixed(20_261_121),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_missing_at_rest_whatever_happened_to_log_and_relay(
        before in steps(), fault in proptest::option::of(fault()), after in steps(),
    ) {
        let mut world = World::new();
        before.iter().chain(&fault).chain(&after).for_each(|step| world.step(step));
        world.rest();
        world.holds()?;
    }
}
