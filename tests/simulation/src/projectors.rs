//! Two processes that build the views: each reads the topic with one consumer and follows what it holds.

use std::collections::{BTreeMap, VecDeque};

use envelope::Position;
use event_store::simulation::relay::Record;
use platform::progress::{self, Progress};
use projectors::simulation::{Cursor, Seen};
use projectors::{Checkpoint, Place};

use crate::fault::Fault;
use crate::follower::Phase;
use crate::views::{CONTEXT, VIEW};
use crate::world::World;
use crate::{PARTITIONS, partition_of};

/// A projection may lag behind the consumer by so many polls.
const QUEUE_POLLS_MAX: usize = 3;
const POLL_RECORDS_MAX: usize = 4;
/// How far from its end a partition is begun of which nothing is known.
const TAIL_RECORDS: i64 = 2;
/// How long a delayed partition waits.
const DELAY_MS: usize = 1_500;
/// How often the store is asked where it ends.
const WATCH_EVERY_MS: u64 = 1_000;
const WATCH_EVERY_WHILE_WAITED_FOR_MS: u64 = 100;

/// A record as it came from the topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) partition: usize,
    pub(crate) offset: i64,
    pub(crate) record: Record,
}

pub(crate) struct Projector {
    /// What it believes to hold.
    pub(crate) held: Vec<usize>,
    pub(crate) phase: Phase,
    pub(crate) cursor: Option<Cursor>,
    /// When each place last moved, or was found to be where its store ends.
    pub(crate) heard_ms: BTreeMap<Place, u64>,
    /// What the store and its relay said last.
    pub(crate) seen: Seen,
    /// The row of the relay was read; the head of the store comes next.
    relay_said: Option<(Position, Vec<Position>)>,
    watched_ms: u64,
    /// Whether the feed hands it what the consumer reads.
    pub(crate) seated: bool,
    pub(crate) polls: VecDeque<Vec<Incoming>>,
    offsets: Option<[i64; PARTITIONS]>,
    delayed_until_ms: [u64; PARTITIONS],
    pub(crate) progress: Progress,
}

impl Projector {
    pub(crate) fn new() -> Self {
        Self {
            held: vec![],
            phase: Phase::Load,
            cursor: None,
            heard_ms: BTreeMap::new(),
            seen: Seen::default(),
            relay_said: None,
            watched_ms: 0,
            seated: false,
            polls: VecDeque::new(),
            offsets: None,
            delayed_until_ms: [0; PARTITIONS],
            progress: Progress::default(),
        }
    }

    pub(crate) fn announce<'c>(&self, places: impl Iterator<Item = (&'c Place, &'c Checkpoint)>, whole: bool) {
        for (place, held) in places {
            let at = progress::Place { history: held.history, position: held.position, whole };
            self.progress.publish(VIEW, CONTEXT.name(), place.partition, at);
        }
    }

    pub(crate) fn withdraw(&self) {
        for partition in 0..PARTITIONS {
            self.progress.withdraw(VIEW, CONTEXT.name(), partition as i32);
        }
    }
}

impl World {
    /// One of its tasks goes on.
    pub(crate) fn projector_step(&mut self, at: usize) {
        if self.strikes(Fault::ProjectorCrash) {
            self.projectors[at] = Projector::new();
            self.let_go(at);
            return;
        }
        if self.strikes(Fault::PartitionsLost) {
            self.let_go(at);
        }
        match self.dice.below(8) {
            0 => self.watch_store(at),
            1 | 2 => self.consume(at),
            3 if self.dice.percent(30) => self.share(at),
            _ => self.follow(at),
        }
    }

    fn let_go(&mut self, at: usize) {
        self.holders.iter_mut().filter(|holder| **holder == Some(at)).for_each(|holder| *holder = None);
    }

    /// Takes what is free, notices what it has lost, and gives up something now and then.
    fn share(&mut self, at: usize) {
        let partition = self.dice.below(PARTITIONS);
        if self.holders[partition] == Some(at) && self.dice.percent(2) && !self.chances.calm {
            self.holders[partition] = None;
        } else if self.holders[partition].is_none() {
            self.holders[partition] = Some(at);
        }
        let held: Vec<_> = (0..PARTITIONS).filter(|partition| self.holders[*partition] == Some(at)).collect();
        if held != self.projectors[at].held {
            self.note(|| format!("projector {at} holds partitions {held:?}"));
            let projector = &mut self.projectors[at];
            projector.held = held;
            projector.withdraw();
            projector.phase = Phase::Load;
        }
    }

    /// The row of the relay first: what it has published by then is in the store.
    fn watch_store(&mut self, at: usize) {
        if self.strikes(Fault::ReadFails) {
            self.projectors[at].relay_said = None;
            return;
        }
        let head = self.store.head();
        let projector = &mut self.projectors[at];
        if let Some((published, last)) = projector.relay_said.take() {
            let end = head.map_or((Position::ZERO, None), |fact| (fact.position, Some(fact.event_id)));
            projector.seen = Seen::new(end, published, last);
            return;
        }
        let every = match projector.progress.waiting(CONTEXT.name()) {
            true => WATCH_EVERY_WHILE_WAITED_FOR_MS,
            false => WATCH_EVERY_MS,
        };
        if self.now_ms >= projector.watched_ms + every {
            projector.watched_ms = self.now_ms;
            projector.relay_said = Some((self.row.checkpoint(), self.row.last_positions()));
        }
    }

    /// A poll of the consumer, which is handed to the projection if it has a seat.
    fn consume(&mut self, at: usize) {
        let mut offsets = match self.projectors[at].offsets {
            Some(offsets) => offsets,
            None => self.begin_to_consume(at),
        };
        let mut poll = vec![];
        let first = self.dice.below(PARTITIONS);
        for partition in (0..PARTITIONS).map(|step| (first + step) % PARTITIONS) {
            if self.strikes(Fault::PartitionDelayed) {
                self.projectors[at].delayed_until_ms[partition] = self.now_ms + self.dice.below(DELAY_MS) as u64;
            }
            if self.now_ms < self.projectors[at].delayed_until_ms[partition] {
                continue;
            }
            if self.strikes(Fault::Redelivery) {
                offsets[partition] -= 1 + self.dice.below(4) as i64;
            }
            let log = &self.broker.logs[partition];
            // Out of range: from the earliest.
            if offsets[partition] > log.end() || offsets[partition] < log.low {
                offsets[partition] = log.low;
            }
            let count = poll.len() + self.dice.below(POLL_RECORDS_MAX);
            while let Some(record) = self.broker.logs[partition].at(offsets[partition]).filter(|_| poll.len() < count) {
                if !self.strikes(Fault::Unreadable) {
                    poll.push(Incoming { partition, offset: offsets[partition], record });
                }
                offsets[partition] += 1;
            }
        }
        self.projectors[at].offsets = Some(offsets);
        if !poll.is_empty() {
            self.hand_out(at, poll);
        }
    }

    fn hand_out(&mut self, at: usize, poll: Vec<Incoming>) {
        let lost = self.strikes(Fault::SeatLost);
        let projector = &mut self.projectors[at];
        if lost || projector.polls.len() >= QUEUE_POLLS_MAX {
            projector.seated = false;
        }
        if projector.seated {
            self.note(|| {
                let each: Vec<_> = poll.iter().map(|it| (it.partition, it.offset, it.record.position.get())).collect();
                format!("projector {at} is given (partition, offset, position) {each:?}")
            });
            self.projectors[at].polls.push_back(poll);
        }
    }

    /// Where the views say that the topic was left.
    fn begin_to_consume(&mut self, _at: usize) -> [i64; PARTITIONS] {
        std::array::from_fn(|partition| {
            let known = self.views.checkpoint(partition).and_then(|held| held.topic_offset);
            let log = &self.broker.logs[partition];
            known.map_or_else(|| (log.end() - TAIL_RECORDS).max(log.low), |offset| offset + 1)
        })
    }

    /// Everything is delivered from now on, unless the broker is away for longer than anybody waits for it.
    pub(crate) fn projectors_calm_down(&mut self) {
        let silent = if self.strikes(Fault::TopicSilent) { u64::MAX } else { 0 };
        for projector in &mut self.projectors {
            projector.delayed_until_ms = [silent; PARTITIONS];
        }
    }

    /// At rest a reader without the store has every event of each partition, in order.
    pub(crate) fn judge_topic(&mut self) {
        if self.broker.in_doubt {
            self.tally.count("(outside readers not judged: a tail was lost and nobody could know)");
            return;
        }
        for partition in 0..PARTITIONS {
            let log = &self.broker.logs[partition];
            let mut newcomer = crate::broker::Outsider::default();
            while newcomer.read(log) {}
            let all = self.oracle.partition(partition);
            let records: Vec<_> = log.records.iter().map(|it| (it.previous.get(), it.position.get())).collect();
            assert_eq!(newcomer.taken, all, "partition {partition} does not give a new reader everything: {records:?}");
            // As any reader is some day: an offset that outlived its log shows no hole before the next record comes.
            self.outsiders[partition].start_again();
            while self.outsiders[partition].read(log) {}
            let taken = &self.outsiders[partition].taken;
            assert_eq!(*taken, all, "partition {partition} did not give a reader everything: {records:?}");
        }
    }

    /// Readers without the store go on; what they take is always the next.
    pub(crate) fn outsiders_read(&mut self) {
        for partition in 0..PARTITIONS {
            let outsider = &mut self.outsiders[partition];
            for _ in 0..1 + self.dice.below(4) {
                outsider.read(&self.broker.logs[partition]);
            }
            let own = self.oracle.facts.iter().filter(|fact| partition_of(fact.gate) == partition);
            let expected = own.map(|fact| fact.position).take(outsider.taken.len());
            assert!(
                expected.eq(outsider.taken.iter().copied()),
                "a reader of partition {partition} took {:?}",
                outsider.taken
            );
        }
    }
}
