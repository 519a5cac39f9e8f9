//! Two relays: one leads, the other waits to, or still believes that it leads. What they decide is the code of the
//! relay; here are the lock, the row, the wire and the reports.

use std::collections::VecDeque;

use envelope::Position;
use event_store::simulation::Fact;
use event_store::simulation::relay::{Beginning, Looked, Publishing, Record, Reset, Row};

use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::world::World;
use crate::{PARTITIONS, partition_of};

const IN_FLIGHT_MAX: usize = 6;
const PAGE_EVENTS: i64 = 4;

/// Records that a producer has sent.
type Wire = Vec<VecDeque<Record>>;
/// Records of a producer that is gone; nobody hears what becomes of them.
pub(crate) type Late = Wire;

enum Phase {
    Standby,
    /// It has the lock and the row.
    Elected,
    Looked(Vec<Looked>),
    /// The row is saved; logs in doubt are to be emptied.
    Begun(Beginning),
    Publishing(Publishing),
}

/// What the broker says of a record.
struct Report {
    partition: usize,
    position: Position,
    /// An error ends the producer.
    outcome: Result<Option<i64>, ()>,
}

pub(crate) struct Relay {
    phase: Phase,
    row: Row,
    page: VecDeque<Fact>,
    wire: Wire,
    reports: VecDeque<Report>,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Standby,
            row: Row::new(PARTITIONS),
            page: VecDeque::new(),
            wire: vec![VecDeque::new(); PARTITIONS],
            reports: VecDeque::new(),
        }
    }
}

impl World {
    /// Does the next thing that a relay does.
    pub(crate) fn relay_step(&mut self, at: usize) {
        if self.leader == Some(at) && self.strikes(Fault::RelayCrash) {
            self.broker.forget_untold();
            self.end_relay(at, Phase::Standby);
            self.leader = None;
            return;
        }
        if self.leader == Some(at) && self.strikes(Fault::RelayDeposed) {
            self.broker.forget_untold();
            self.leader = None;
        }
        match std::mem::replace(&mut self.relays[at].phase, Phase::Standby) {
            Phase::Standby => self.stand(at),
            Phase::Elected => {
                let row = &self.relays[at].row;
                let look = |(partition, log)| row.look(partition, log);
                self.relays[at].phase = Phase::Looked(self.broker.logs.iter().enumerate().map(look).collect());
            }
            Phase::Looked(looked) => self.begin(at, &looked),
            Phase::Begun(beginning) => self.empty(at, beginning),
            publishing @ Phase::Publishing(_) => {
                self.relays[at].phase = publishing;
                self.pump(at);
            }
        }
    }

    fn stand(&mut self, at: usize) {
        if self.leader.is_none() {
            self.leader = Some(at);
            self.row.term += 1;
            self.relays[at].row = self.row.clone();
            self.relays[at].phase = Phase::Elected;
            self.note(|| format!("relay {at} leads, term {}", self.row.term));
        }
    }

    fn begin(&mut self, at: usize, looked: &[Looked]) {
        let beginning = self.relays[at].row.begin(looked);
        self.note(|| format!("relay {at} begins after {:?}, refills {:?}", self.relays[at].row, beginning.refills()));
        if self.save(at) {
            self.relays[at].phase = Phase::Begun(beginning);
        }
    }

    /// `false` if another one leads; then this one knows.
    fn save(&mut self, at: usize) -> bool {
        let mine = self.relays[at].row.term == self.row.term;
        if mine {
            self.row = self.relays[at].row.clone();
            return true;
        }
        self.note(|| format!("relay {at} hears that it leads no more"));
        self.end_relay(at, Phase::Standby);
        false
    }

    fn empty(&mut self, at: usize, beginning: Beginning) {
        for (partition, end) in beginning.refills().to_vec() {
            if self.strikes(Fault::NotEmptied) {
                continue;
            }
            self.broker.logs[partition].empty(end);
            self.note(|| format!("relay {at} empties partition {partition} up to {end}"));
        }
        self.relays[at].phase = Phase::Publishing(beginning.publishing());
    }

    fn pump(&mut self, at: usize) {
        match self.dice.below(10) {
            0..4 => self.publish(at),
            4..7 => self.heed(at),
            7 => {
                let Relay { phase, row, .. } = &mut self.relays[at];
                if let Phase::Publishing(publishing) = phase {
                    row.keep(publishing);
                }
                self.save(at);
            }
            8 => self.watch(at),
            _ => self.read_page(at),
        }
    }

    fn read_page(&mut self, at: usize) {
        if self.strikes(Fault::ReadFails) {
            self.end_session(at, None);
            self.relays[at].phase = Phase::Standby;
            self.leader = self.leader.filter(|leader| *leader != at);
            return;
        }
        let Relay { phase, page, .. } = &mut self.relays[at];
        if let Phase::Publishing(publishing) = phase
            && page.is_empty()
        {
            let after = publishing.read();
            let up_to = Position(after.get() + PAGE_EVENTS);
            page.extend(match self.mutant {
                Some(Mutant::PublishedBeforeSeen) => self.oracle.after(after, up_to),
                _ => self.store.range(after, up_to),
            });
        }
    }

    fn publish(&mut self, at: usize) {
        let relay = &mut self.relays[at];
        if relay.page.is_empty() {
            return self.read_page(at);
        }
        let Relay { phase: Phase::Publishing(publishing), page, wire, .. } = relay else { return };
        if publishing.in_flight() >= IN_FLIGHT_MAX {
            return self.heed(at);
        }
        let Some(fact) = page.pop_front() else { return };
        let partition = partition_of(fact.gate);
        let record = publishing.publish(partition, fact.position, fact.event_id);
        wire[partition].extend(record);
        self.note(|| {
            format!("relay {at} hands over {} for partition {partition}: {}", fact.position.get(), record.is_some())
        });
    }

    /// The broker works on what relays have sent, also on what nobody waits for any more.
    pub(crate) fn broker_step(&mut self) {
        let partition = self.dice.below(PARTITIONS);
        let who = self.dice.below(self.relays.len() + 1);
        if who == self.relays.len() {
            if !self.late.is_empty() {
                let late = self.dice.below(self.late.len());
                if let Some(record) = self.late[late][partition].pop_front() {
                    self.broker.write(partition, record, false);
                    self.note(|| {
                        format!("a late record is written to partition {partition}: {}", record.position.get())
                    });
                }
                self.late.retain(|wire| wire.iter().any(|records| !records.is_empty()));
            }
            return;
        }
        (0..if self.chances.calm { PARTITIONS } else { 1 }).for_each(|more| {
            self.deliver(who, (partition + more) % PARTITIONS);
        });
    }

    fn deliver(&mut self, who: usize, partition: usize) {
        let Some(record) = self.relays[who].wire[partition].pop_front() else { return };
        let leads = self.leader == Some(who);
        if self.strikes(Fault::RecordDropped) {
            if let Some(next) = self.relays[who].wire[partition].pop_front() {
                self.broker.write(partition, next, leads);
            }
            let position = record.position;
            return self.relays[who].reports.push_back(Report { partition, position, outcome: Err(()) });
        }
        let offset = self.broker.write(partition, record, leads);
        self.note(|| {
            let Record { position, previous, .. } = record;
            format!("partition {partition} @{offset} of relay {who}: {} after {}", position.get(), previous.get())
        });
        self.is_seen(record.position);
        let outcome = if self.strikes(Fault::ReportLost) {
            Err(())
        } else if self.strikes(Fault::OffsetUnknown) {
            self.broker.untold = true;
            Ok(None)
        } else {
            Ok(Some(offset))
        };
        let twice = self.strikes(Fault::ReportTwice);
        for _ in 0..=usize::from(twice) {
            let position = record.position;
            self.relays[who].reports.push_back(Report { partition, position, outcome });
        }
    }

    /// Who is told of an event by the topic finds it in the store.
    fn is_seen(&self, position: Position) {
        let seen = self.store.range(Position(position.get() - 1), position);
        assert_eq!(seen.len(), 1, "event {} is published and readers of the store cannot see it", position.get());
    }

    fn heed(&mut self, at: usize) {
        let overlooks = self.is(Mutant::LogNotWatched);
        let relay = &mut self.relays[at];
        let Some(report) = relay.reports.pop_front() else { return };
        let Phase::Publishing(publishing) = &mut relay.phase else { return };
        let heard = match report.outcome {
            Ok(offset) => {
                let offset = offset.filter(|_| !overlooks);
                publishing.acknowledge(report.partition, report.position, offset).map_err(Some)
            }
            Err(()) => Err(None),
        };
        if let Err(reset) = heard {
            self.end_session(at, reset);
        }
    }

    fn watch(&mut self, at: usize) {
        let Phase::Publishing(publishing) = &self.relays[at].phase else { return };
        if let Err(reset) = publishing.watch(&self.broker.logs)
            && !self.is(Mutant::LogNotWatched)
        {
            self.end_session(at, Some(reset));
        }
    }

    /// In an orderly way: what is known to be acknowledged is saved, and another session begins.
    fn end_session(&mut self, at: usize, reset: Option<Reset>) {
        self.note(|| format!("relay {at} ends its producer: {reset:?}"));
        let Relay { phase, row, .. } = &mut self.relays[at];
        if let Phase::Publishing(publishing) = phase {
            row.keep(publishing);
        }
        if let Some(reset) = reset {
            row.doubt(&reset);
        }
        self.end_relay(at, Phase::Elected);
        self.save(at);
    }

    /// What was sent may still be written, or not.
    fn end_relay(&mut self, at: usize, next: Phase) {
        let fresh = Relay { row: self.relays[at].row.clone(), phase: next, ..Relay::new() };
        let Relay { wire, .. } = std::mem::replace(&mut self.relays[at], fresh);
        let sent = wire.iter().any(|records| !records.is_empty());
        if sent && self.strikes(Fault::LateRecords) {
            self.late.push(wire);
        }
    }

    /// Zombies end, and what the dead had sent is written or lost.
    pub(crate) fn relays_calm_down(&mut self) {
        self.late.clear();
        for at in 0..self.relays.len() {
            if self.leader != Some(at) {
                self.relays[at] = Relay::new();
            }
        }
    }

    /// As any relay is started once more some day.
    pub(crate) fn restart_leader(&mut self) {
        if let Some(at) = self.leader {
            self.note(|| format!("relay {at} is told to stop and started again"));
            self.end_session(at, None);
        }
    }

    /// Everything is acknowledged, and the log is as it was known.
    pub(crate) fn is_published(&self) -> bool {
        let Some(at) = self.leader else { return false };
        let Phase::Publishing(publishing) = &self.relays[at].phase else { return false };
        let watched = self.is(Mutant::LogNotWatched) || publishing.watch(&self.broker.logs).is_ok();
        watched
            && publishing.in_flight() == 0
            && publishing.checkpoint() == self.oracle.head()
            && self.row.checkpoint() == self.oracle.head()
    }
}
