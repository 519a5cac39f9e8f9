//! One state of the model, and what may come next.

use std::collections::VecDeque;

use envelope::Position;
use event_store::simulation::relay::{Log, Publishing, Record, Reset, Row};
use uuid::Uuid;

use super::{Bounds, Defect};

/// What a producer may have under way.
const IN_FLIGHT_MAX: usize = 2;
/// So often the leader is looked at, at rest.
const ROUNDS: usize = 6;
/// There is one.
const PARTITION: usize = 0;

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    events: u8,
    log: Log,
    row: Row,
    /// The one that leads, and one that does not know that it leads no more.
    leader: Session,
    zombie: Option<Session>,
    reader: Reader,
    leaders: u8,
    wipes: u8,
    tails: u8,
    heads: u8,
    drops: u8,
    untold: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Session {
    publishing: Publishing,
    wire: VecDeque<Record>,
}

/// Takes a record only if `previous <= highest < position`, and at a hole reads from the beginning once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Reader {
    highest: i64,
    offset: i64,
    again: bool,
    /// It took an event without the one before it.
    wrong: bool,
}

/// Something that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// An event is committed.
    Append,
    /// The leader, or the zombie, hands over the next event.
    Publish { zombie: bool },
    /// The broker writes the oldest record under way and says so.
    Deliver { zombie: bool },
    /// It does not tell the offset.
    DeliverUntold,
    /// The producer drops a record, writes the next and reports the error.
    Drop,
    /// The leader saves the row.
    Save,
    /// The leader looks at the bounds of the log.
    Watch,
    /// Another relay leads; the old one is dead or a zombie.
    Depose { zombie: bool },
    /// The log is wiped.
    Wipe,
    /// The log loses its last record.
    LoseTail,
    /// The log loses its first record.
    CutHead,
    /// The reader reads one record.
    Read,
}

impl Step {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        use Step::{Append, CutHead, Deliver, DeliverUntold, Depose, Drop, LoseTail, Publish, Read, Save, Watch, Wipe};
        let both = [false, true].map(|zombie| [Publish { zombie }, Deliver { zombie }, Depose { zombie }]);
        let others = [Append, DeliverUntold, Drop, Save, Watch, Wipe, LoseTail, CutHead, Read];
        both.into_iter().flatten().chain(others)
    }
}

impl State {
    pub(super) fn new() -> Self {
        let (mut row, mut log) = (Row::new(1), Log::default());
        let leader = Session::begin(&mut row, &mut log);
        let reader = Reader::default();
        Self {
            events: 0,
            log,
            row,
            leader,
            zombie: None,
            reader,
            leaders: 0,
            wipes: 0,
            tails: 0,
            heads: 0,
            drops: 0,
            untold: 0,
        }
    }

    /// The state after a step, if it may happen.
    pub(super) fn after(&self, step: Step, bounds: &Bounds) -> Option<Self> {
        let mut next = self.clone();
        let may = match step {
            Step::Append => count(&mut next.events, bounds.events),
            Step::Publish { zombie: false } => next.leader.publish(next.events, bounds),
            Step::Publish { zombie: true } => next.zombie.as_mut()?.publish(next.events, bounds),
            Step::Deliver { zombie: false } => next.deliver(true, bounds),
            Step::DeliverUntold => count(&mut next.untold, bounds.untold) && next.deliver(false, bounds),
            Step::Deliver { zombie: true } => next.zombie_delivers(bounds)?,
            Step::Drop => count(&mut next.drops, bounds.drops) && next.drop_one(bounds),
            Step::Save => {
                next.row.keep(&next.leader.publishing);
                true
            }
            Step::Watch => next.watch(bounds),
            Step::Depose { zombie } => {
                count(&mut next.leaders, bounds.leaders) && (bounds.zombies || !zombie) && next.depose(zombie)
            }
            // The one pair of faults in which a reader without the store may stand still is a lost tail and a zombie.
            Step::Wipe => count(&mut next.wipes, bounds.wipes) && next.lose(Log::default()),
            Step::LoseTail => count(&mut next.tails, bounds.tails) && next.lose_tail(),
            Step::CutHead => count(&mut next.heads, bounds.heads) && next.cut_head(),
            Step::Read => next.reader.read(&next.log, bounds),
        };
        may.then_some(next)
    }

    fn deliver(&mut self, told: bool, bounds: &Bounds) -> bool {
        let Some(record) = self.leader.wire.pop_front() else { return false };
        let offset = self.log.end();
        self.log.records.push(record);
        let offset = Some(offset).filter(|_| told && bounds.defect != Some(Defect::LogNotWatched));
        if let Err(reset) = self.leader.publishing.acknowledge(PARTITION, record.position, offset) {
            self.again(Some(&reset));
        }
        true
    }

    fn zombie_delivers(&mut self, bounds: &Bounds) -> Option<bool> {
        let zombie = self.zombie.as_mut()?;
        let record = zombie.wire.pop_front()?;
        let offset = Some(self.log.end()).filter(|_| bounds.defect != Some(Defect::LogNotWatched));
        self.log.records.push(record);
        if zombie.publishing.acknowledge(PARTITION, record.position, offset).is_err() {
            self.zombie = None;
        }
        Some(true)
    }

    fn drop_one(&mut self, bounds: &Bounds) -> bool {
        if self.leader.wire.pop_front().is_none() {
            return false;
        }
        self.deliver(true, bounds);
        self.again(None);
        true
    }

    fn watch(&mut self, bounds: &Bounds) -> bool {
        let held = self.leader.publishing.watch(std::slice::from_ref(&self.log));
        let reset = held.err().filter(|_| bounds.defect != Some(Defect::LogNotWatched));
        if let Some(reset) = &reset {
            self.again(Some(reset));
        }
        reset.is_some()
    }

    /// The session ends in an orderly way, and a new one begins.
    fn again(&mut self, reset: Option<&Reset>) {
        self.row.keep(&self.leader.publishing);
        if let Some(reset) = reset {
            self.row.doubt(reset);
        }
        self.leader = Session::begin(&mut self.row, &mut self.log);
    }

    fn depose(&mut self, zombie: bool) -> bool {
        let next = Session::begin(&mut self.row, &mut self.log);
        let old = std::mem::replace(&mut self.leader, next);
        self.zombie = zombie.then_some(old);
        true
    }

    fn lose(&mut self, left: Log) -> bool {
        let lost = !self.log.records.is_empty();
        self.log = left;
        lost
    }

    fn lose_tail(&mut self) -> bool {
        self.log.records.pop().is_some()
    }

    fn cut_head(&mut self) -> bool {
        let lost = !self.log.records.is_empty();
        self.log.empty(self.log.low + 1);
        lost
    }

    /// Faults end, the leader is started once more, as any is some day, and goes on until nothing is left to do. So is
    /// the reader: an offset that outlived its log shows no hole before it is reached again.
    pub(super) fn at_rest(&self, bounds: &Bounds) -> Self {
        let mut rest = self.clone();
        rest.zombie = None;
        for round in 0..ROUNDS {
            while rest.leader.publish(rest.events, bounds) || rest.deliver(true, bounds) {}
            rest.watch(bounds);
            if round < 2 {
                rest.again(None);
            }
        }
        (rest.reader.offset, rest.reader.again) = (0, false);
        while rest.reader.read(&rest.log, bounds) {}
        rest
    }

    /// The reader that was there, and one that comes now, have every event.
    pub(super) fn is_whole(&self) -> bool {
        let mut newcomer = Reader::default();
        while newcomer.read(&self.log, &super::CALM) {}
        let all = i64::from(self.events);
        let whole = |reader: &Reader| reader.highest == all && !reader.wrong;
        whole(&newcomer) && whole(&self.reader)
    }

    pub(super) fn is_in_order(&self) -> bool {
        !self.reader.wrong
    }
}

impl Session {
    fn begin(row: &mut Row, log: &mut Log) -> Self {
        let beginning = row.begin(&[row.look(PARTITION, log)]);
        for (_, end) in beginning.refills() {
            log.empty(*end);
        }
        Self { publishing: beginning.publishing(), wire: VecDeque::new() }
    }

    fn publish(&mut self, events: u8, bounds: &Bounds) -> bool {
        let position = self.publishing.read().next();
        if position.get() > i64::from(events) || self.publishing.in_flight() >= IN_FLIGHT_MAX {
            return false;
        }
        let record = self.publishing.publish(PARTITION, position, Uuid::nil());
        self.wire.extend(record);
        if bounds.defect == Some(Defect::HandedOverIsWritten) && record.is_some() {
            // Nobody waits for a report: nothing can end the producer.
            let _never_refused = self.publishing.acknowledge(PARTITION, position, None);
        }
        true
    }
}

impl Reader {
    /// `false` if there is nothing to read.
    fn read(&mut self, log: &Log, bounds: &Bounds) -> bool {
        if self.offset > log.end() || self.offset < log.low {
            self.offset = log.low;
        }
        let Some(Record { position, previous, .. }) = log.at(self.offset) else { return false };
        self.offset += 1;
        let ignores = bounds.defect == Some(Defect::PreviousIgnored);
        if position <= Position(self.highest) {
            return true;
        }
        if previous <= Position(self.highest) || ignores {
            self.wrong |= position.get() != self.highest + 1;
            (self.highest, self.again) = (position.get(), false);
        } else if !self.again {
            (self.again, self.offset) = (true, log.low);
        }
        true
    }
}

fn count(counter: &mut u8, max: u8) -> bool {
    *counter += 1;
    *counter <= max
}
