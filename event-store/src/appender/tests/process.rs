//! One process: does with its batcher what the appender does, a step at a time, so that others come in between.

use std::sync::Arc;
use std::time::Instant;

use envelope::{History, Timestamp};

use super::dice::Dice;
use super::model::StoreModel;
use crate::StoreError;
use crate::appender::batch::{BatchRows, Found, Tip};
use crate::appender::batcher::{Batcher, Limits};
use crate::appender::decision::{Rejection, Stream};
use crate::appender::loading::LoadedStreams;

const TAIL_PAGE_EVENTS: usize = 3;
/// Small, so that the cache is dropped now and then.
const TAIL_EVENTS_MAX: i64 = 12;
const COMMANDS_MAX: usize = 16;

/// A transaction that the server still has, though nobody hears of it any more.
pub(super) type Orphan = (Tip, Arc<BatchRows>);

enum Write {
    Sent(Tip, Arc<BatchRows>),
    Done(Result<Option<Found>, ()>),
}

enum Load {
    Asked(Vec<Stream>),
    Read(LoadedStreams),
}

/// Where the slow path stands.
enum Settling {
    CatchUp,
    Preload,
    Locked,
}

pub(super) struct Process {
    pub(super) batcher: Batcher,
    write: Option<Write>,
    load: Option<Load>,
    settling: Option<Settling>,
    commands_max: usize,
    pub(super) settled: usize,
}

/// What a process works on and how lucky it is.
pub(super) struct Around<'a> {
    pub(super) store: &'a mut StoreModel,
    pub(super) orphans: &'a mut Vec<Orphan>,
    pub(super) dice: &'a mut Dice,
    /// How often something fails, in percent.
    pub(super) trouble: usize,
    pub(super) now: Timestamp,
    pub(super) instant: Instant,
}

impl Process {
    pub(super) fn new(store: &StoreModel, cache_aggregates_max: usize) -> Self {
        let history = History(uuid::Uuid::nil());
        let limits = Limits { batch_events_max: 8, cache_aggregates_max, partitions: 6, history };
        Self {
            batcher: Batcher::new(limits, store.newest()),
            write: None,
            load: None,
            settling: None,
            commands_max: COMMANDS_MAX,
            settled: 0,
        }
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.batcher.is_idle() && self.write.is_none() && self.load.is_none() && self.settling.is_none()
    }

    /// While the slow path runs nothing arrives.
    pub(super) fn listens(&self) -> bool {
        self.settling.is_none()
    }

    pub(super) fn step(&mut self, around: &mut Around<'_>) {
        if let Some(settling) = self.settling.take() {
            return self.settle(settling, around);
        }
        match around.dice.below(5) {
            0 if self.write.is_none() => {
                let base = self.batcher.head();
                self.write = self.batcher.cut().map(|rows| Write::Sent(base, rows));
            }
            1 if self.load.is_none() => {
                let wanted = self.batcher.wanted();
                self.load = (!wanted.is_empty()).then_some(Load::Asked(wanted));
            }
            2 if self.write.is_none() => self.tick(around),
            0 | 1 | 3 => self.advance_write(around),
            _ => self.advance_load(around),
        }
    }

    fn advance_write(&mut self, around: &mut Around<'_>) {
        match self.write.take() {
            None => {}
            Some(Write::Sent(base, rows)) => {
                let lost = around.dice.percent(around.trouble);
                let result = if lost && around.dice.percent(50) {
                    around.orphans.push((base, rows)); // Whether and when the server does it is its own business.
                    Err(())
                } else {
                    let result = around.store.append(&base, &rows).map_err(drop);
                    if lost { Err(()) } else { result }
                };
                self.write = Some(Write::Done(result));
            }
            Some(Write::Done(Ok(Some(mut found)))) => drop(self.batcher.written(&mut found, around.now)),
            Some(Write::Done(Ok(None) | Err(()))) => self.begin_settling(),
        }
    }

    fn advance_load(&mut self, around: &mut Around<'_>) {
        match self.load.take() {
            None => {}
            Some(Load::Asked(wanted)) if !around.dice.percent(around.trouble) => {
                self.load = Some(Load::Read(read(around.store, &wanted)));
            }
            Some(Load::Asked(_)) => {
                self.batcher.not_loaded();
                self.batcher.expire(around.instant, around.now);
            }
            Some(Load::Read(streams)) => self.batcher.loaded(streams, around.now),
        }
    }

    fn tick(&mut self, around: &mut Around<'_>) {
        self.batcher.expire(around.instant, around.now);
        if !self.batcher.is_idle() {
            return;
        }
        if around.dice.percent(around.trouble) {
            return self.begin_settling();
        }
        let events = around.store.after(self.batcher.known(), TAIL_PAGE_EVENTS);
        if !events.is_empty() {
            self.batcher.tail(events);
        }
    }

    fn begin_settling(&mut self) {
        self.batcher.fail();
        self.settled += 1;
        self.commands_max = COMMANDS_MAX;
        self.settling = Some(Settling::CatchUp);
    }

    fn settle(&mut self, settling: Settling, around: &mut Around<'_>) {
        if around.dice.percent(around.trouble) {
            return self.lose_connection(around);
        }
        self.settling = match settling {
            Settling::CatchUp => {
                let newest = around.store.newest();
                if newest.position.get() - self.batcher.known().get() > TAIL_EVENTS_MAX {
                    self.batcher.restart_at(newest);
                }
                let events = around.store.after(self.batcher.known(), usize::MAX);
                self.batcher.tail(events);
                Some(Settling::Preload)
            }
            Settling::Preload => {
                let missing = self.batcher.missing(self.commands_max);
                let streams = read(around.store, &missing);
                self.batcher.preloaded(streams);
                Some(Settling::Locked)
            }
            Settling::Locked => return self.under_lock(around),
        };
    }

    /// Nobody comes in between here, because the lock is held.
    fn under_lock(&mut self, around: &mut Around<'_>) {
        let since = around.store.after(self.batcher.known(), usize::MAX);
        self.batcher.tail(since);
        let ends = self.batcher.lost_ends();
        let committed: Vec<_> = ends
            .iter()
            .filter_map(|end| around.store.chain_at(end.position).filter(|chain| *chain == end.chain))
            .collect();
        self.batcher.settle_lost(&committed, around.now);
        let found = around.store.answers(&self.batcher.retried_keys(self.commands_max));
        self.batcher.decide_again(self.commands_max, &found, around.now);
        let base = self.batcher.head();
        let mut stored = Found::new();
        if let Some(rows) = self.batcher.cut() {
            if around.dice.percent(around.trouble) {
                return self.lose_connection(around); // Before the commit.
            }
            match around.store.append(&base, &rows) {
                Ok(appended) => stored = appended.expect("the lock is held"),
                Err(_) => return self.refused(around),
            }
            if around.dice.percent(around.trouble) {
                return self.lose_connection(around); // The commit was done, and nobody was told.
            }
        }
        self.batcher.written(&mut stored, around.now);
        if self.batcher.speculates() {
            self.batcher.fail();
        }
        self.commands_max = (self.commands_max * 2).min(COMMANDS_MAX);
        if self.batcher.retrying() == 0 {
            self.batcher.settled(around.now);
        } else {
            self.settling = Some(Settling::CatchUp);
        }
    }

    fn lose_connection(&mut self, around: &Around<'_>) {
        if self.batcher.speculates() {
            self.batcher.fail();
        }
        self.batcher.expire(around.instant, around.now);
        self.settling = Some(Settling::CatchUp);
    }

    fn refused(&mut self, around: &Around<'_>) {
        self.batcher.fail();
        self.batcher.settle_lost(&[], around.now);
        if self.commands_max == 1 {
            self.batcher.refuse_first(Rejection::Broken(StoreError::Closed), around.now);
        }
        self.commands_max = self.commands_max.min(self.batcher.retrying()).div_ceil(2).max(1);
        self.settling = Some(Settling::CatchUp);
    }
}

fn read(store: &StoreModel, streams: &[Stream]) -> LoadedStreams {
    streams.iter().map(|stream| (stream.id.clone(), Ok(store.load(stream)))).collect()
}
