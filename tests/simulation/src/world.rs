//! Everything there is, one step of somebody at a time, and rest at the end.

use std::time::{Duration, Instant};

use envelope::Timestamp;
use event_store::simulation::relay::Row;
use event_store::simulation::{Around, Dice, Process, StoreModel};

use crate::broker::{Broker, Outsider};
use crate::clients::Client;
use crate::fault::{Chances, Fault, Tally};
use crate::history::History;
use crate::mutant::Mutant;
use crate::oracle::Oracle;
use crate::projectors::Projector;
use crate::readers::Reader;
use crate::relays::{Late, Relay};
use crate::views::Views;
use crate::{GATES, PARTITIONS};

/// More rounds than that to come to rest would mean that something never does.
const ROUNDS_MAX: usize = 4_000;
const CLIENTS: usize = 6;

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) chances: Chances,
    pub(crate) tally: Tally,
    pub(crate) history: History,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) now_ms: u64,
    /// How often time goes on while somebody does something, in percent: where it hardly does, the topic is fast.
    tempo: usize,
    began: Instant,
    pub(crate) store: StoreModel,
    pub(crate) oracle: Oracle,
    pub(crate) processes: Vec<Process>,
    new_run_min: u32,
    pub(crate) clients: Vec<Client>,
    pub(crate) commands: usize,
    pub(crate) row: Row,
    /// Which relay holds the lock.
    pub(crate) leader: Option<usize>,
    pub(crate) relays: Vec<Relay>,
    pub(crate) late: Vec<Late>,
    pub(crate) broker: Broker,
    pub(crate) views: Views,
    /// Which projector holds the lock of a partition.
    pub(crate) holders: [Option<usize>; PARTITIONS],
    pub(crate) projectors: Vec<Projector>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) outsiders: Vec<Outsider>,
}

impl World {
    pub(crate) fn new(seed: u64, history: History, mutant: Option<Mutant>) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
        let chances = Chances::new(&mut dice);
        let mut store = StoreModel::new();
        store.lags = chances.of(Fault::SeenLate) > 0 || mutant == Some(Mutant::SeenInAnyOrder);
        store.defects.confirms_early = mutant == Some(Mutant::AckBeforeCommit);
        store.defects.shows_in_any_order = mutant == Some(Mutant::SeenInAnyOrder);
        // From rash to never: what is presumed to be new is there more often than in life.
        let new_run_min = [0, 1, u32::MAX][dice.below(3)];
        let tempo = [5, 30, 100][dice.below(3)];
        let processes = (0..2).map(|_| process(&store, new_run_min)).collect();
        Self {
            dice,
            chances,
            tally: Tally::default(),
            history,
            mutant,
            now_ms: 0,
            tempo,
            began: platform::clock::monotonic(),
            store,
            oracle: Oracle::new(),
            processes,
            new_run_min,
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            commands: 0,
            row: Row::new(PARTITIONS),
            leader: None,
            relays: (0..2).map(|_| Relay::new()).collect(),
            late: vec![],
            broker: Broker::new(),
            views: Views::default(),
            holders: [None; PARTITIONS],
            projectors: (0..2).map(|_| Projector::new()).collect(),
            readers: vec![],
            outsiders: vec![Outsider::default(); PARTITIONS],
        }
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        self.history.note(self.now_ms, line);
    }

    /// Whether this happens now.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let chance = self.chances.of(fault);
        let strikes = chance > 0 && self.dice.below(1_000) < chance;
        if strikes {
            self.tally.count(fault.what());
            self.note(|| format!("FAULT: {}", fault.what()));
        }
        strikes
    }

    /// Somebody does something.
    pub(crate) fn step(&mut self) {
        self.now_ms += u64::from(self.dice.below(100) < self.tempo) * self.dice.below(4) as u64;
        match self.dice.below(32) {
            0..3 => self.clients_step(),
            3..10 => {
                let at = self.dice.below(self.processes.len());
                (0..3).for_each(|_| self.process_step(at));
            }
            10..17 => {
                let at = self.dice.below(self.relays.len());
                (0..3).for_each(|_| self.relay_step(at));
            }
            17..20 => (0..3).for_each(|_| self.broker_step()),
            20..28 => {
                let at = self.dice.below(self.projectors.len());
                (0..2).for_each(|_| self.projector_step(at));
            }
            28 | 29 => self.readers_step(),
            30 => self.outsiders_read(),
            _ => self.trouble_step(),
        }
        self.store_step();
    }

    /// What is committed comes into sight, and transactions end of which nobody hears.
    fn store_step(&mut self) {
        if !self.store.is_in_sight() && (self.chances.calm || !self.strikes(Fault::SeenLate)) {
            self.store.show(&mut self.dice);
        }
        if self.store.has_orphans() && self.dice.percent(20) {
            self.store.orphan_ends(&mut self.dice);
        }
        self.oracle.follow(&self.store);
    }

    pub(crate) fn around<T>(&mut self, at: usize, act: impl FnOnce(&mut Process, &mut Around<'_>) -> T) -> T {
        let mut landed = vec![];
        let now = Timestamp::from_micros(self.now_ms as i64 * 1_000).expect("runs are short");
        let instant = self.began + Duration::from_millis(self.now_ms);
        let mut around = Around {
            store: &mut self.store,
            dice: &mut self.dice,
            trouble: self.chances.trouble,
            now,
            instant,
            landed: &mut landed,
        };
        let acted = act(&mut self.processes[at], &mut around);
        for what in landed {
            self.tally.count(what);
            self.note(|| format!("FAULT: process {at}: {what}"));
        }
        acted
    }

    fn process_step(&mut self, at: usize) {
        if self.strikes(Fault::AppenderCrash) {
            let fresh = process(&self.store, self.new_run_min);
            let dead = std::mem::replace(&mut self.processes[at], fresh);
            self.around(at, |_, around| dead.crash(around));
        } else {
            let before = self.store.facts().len();
            self.around(at, Process::step);
            let new = &self.store.facts()[before..];
            if !new.is_empty() {
                self.note(|| format!("process {at} commits {}", committed(new)));
            }
        }
    }

    /// What happens to the log, and what an operator does.
    fn trouble_step(&mut self) {
        let partition = self.dice.below(PARTITIONS);
        if self.strikes(Fault::LogWiped) {
            self.broker.wipe(partition);
        }
        if self.strikes(Fault::TailLost) {
            let count = 1 + self.dice.below(3);
            self.broker.lose_tail(partition, count);
        }
        if self.strikes(Fault::HeadCut) {
            self.broker.cut_head(partition);
        }
        if self.dice.percent(30) {
            self.operator_step();
        }
    }

    /// Mends what is first in a queue, perhaps, and retries everything that is parked.
    fn operator_step(&mut self) {
        let first = self.views.parked().next().map(|(_, facts)| facts[0].asked);
        if let Some(asked) = first.filter(|_| self.dice.percent(50)) {
            self.views.poison.remove(&asked);
        }
        let freed = self.views.retry(self.mutant);
        self.note(|| format!("an operator retries what is parked: {freed} freed"));
        self.judge_views();
    }

    /// Trouble ends, and everything must come to rest: everybody is answered, everything is published and shown.
    pub(crate) fn settle_down(&mut self) {
        self.note(|| "trouble ends".to_owned());
        self.projectors_calm_down();
        self.chances.end();
        self.relays_calm_down();
        self.rounds("the system", Self::is_at_rest);
        let poisoned = |gate: usize| self.oracle.gates[gate].0.iter().any(|it| self.views.poison.contains(&it.asked));
        for gate in (0..GATES).filter(|gate| !poisoned(*gate)) {
            self.is_shown_whole(gate);
        }
        self.views.poison.clear();
        self.operator_step();
        (0..GATES).for_each(|gate| self.is_shown_whole(gate));
        self.judge_clients();
        for _ in 0..2 {
            self.restart_leader();
            self.rounds("a relay that was started once more", Self::is_published);
        }
        self.judge_topic();
    }

    fn is_shown_whole(&self, gate: usize) {
        let whole = self.oracle.gates[gate].0.len() as i64;
        assert_eq!(self.views.shown(gate).version, whole, "gate {gate} is not shown whole at rest");
    }

    fn rounds(&mut self, who: &str, rests: impl Fn(&Self) -> bool) {
        for _ in 0..ROUNDS_MAX {
            if rests(self) {
                return;
            }
            self.now_ms += 10;
            self.clients_listen();
            (0..self.processes.len()).for_each(|at| self.process_step(at));
            (0..self.relays.len()).for_each(|at| self.relay_step(at));
            (0..PARTITIONS).for_each(|_| self.broker_step());
            (0..self.projectors.len()).for_each(|at| self.projector_step(at));
            self.readers_step();
            self.outsiders_read();
            self.store_step();
        }
        panic!("{who} never comes to rest: {}", self.why_not());
    }

    fn is_at_rest(&self) -> bool {
        self.why_not().is_empty()
    }

    fn why_not(&self) -> String {
        let mut why = vec![];
        if self.clients.iter().any(Client::waits) {
            why.push("a client waits");
        }
        if !self.processes.iter().all(Process::is_at_rest) || self.store.has_orphans() || !self.store.is_in_sight() {
            why.push("something is being appended");
        }
        if !self.is_published() {
            why.push("something is not published");
        }
        if !self.readers.is_empty() {
            why.push("a reader waits");
        }
        let seen = |gate: usize| {
            let parked = self.views.parked().find(|(at, _)| *at == gate).map_or(0, |(_, facts)| facts.len());
            self.views.shown(gate).version as usize + parked == self.oracle.gates[gate].0.len()
        };
        if !(0..GATES).all(seen) {
            why.push("a view lacks something");
        }
        why.join(", ")
    }
}

fn process(store: &StoreModel, new_run_min: u32) -> Process {
    Process::new(store, PARTITIONS as i32, 4, new_run_min)
}

fn committed(facts: &[event_store::simulation::Fact]) -> String {
    let each = facts
        .iter()
        .map(|fact| format!("{} (gate {} #{}, command {})", fact.position.get(), fact.gate, fact.sequence, fact.asked));
    each.collect::<Vec<_>>().join(", ")
}
