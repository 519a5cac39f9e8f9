//! Asks two processes for all kinds of things, lets them run in any order, and judges every answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use envelope::Timestamp;
use tokio::sync::oneshot::{self, error::TryRecvError};
use uuid::Uuid;

use super::judge::{Verdict, judge};
use crate::appender::decision::{Answer, Rejection, Submission};
use crate::simulation::dice::Dice;
use crate::simulation::gate::{GateCommand, Part, Wants, name, step};
use crate::simulation::process::{Around, Process};
use crate::simulation::store::{POISON, StoreModel};
use crate::{Done, IdempotencyKey, StoreError};

const GATES: usize = 5;
/// More rounds than that to answer everybody would mean that somebody is never answered.
const ROUNDS_MAX: usize = 20_000;

/// One command on its way or answered.
struct Asked {
    parts: Vec<Part>,
    key: Option<(String, u8)>,
    poison: bool,
    /// One of its gates could not be read while it waited.
    unreadable: bool,
    /// How many events were committed when it was asked.
    since: usize,
    /// The events that were answered under its key before it was asked.
    known: Option<(u8, Vec<Uuid>)>,
    answer: Option<oneshot::Receiver<Answer>>,
    /// It was said that it had no effect.
    without_effect: bool,
}

pub(super) struct World {
    seed: u64,
    store: StoreModel,
    processes: Vec<Process>,
    dice: Dice,
    trouble: usize,
    ticks: u64,
    began: Instant,
    asked: Vec<Asked>,
    /// What was answered under a key.
    acknowledged: BTreeMap<String, (u8, Vec<Uuid>)>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let trouble = [2, 10, 30][dice.below(3)];
        let cache_aggregates_max = [2, 100][dice.below(2)];
        Self::with(seed, 2, trouble, cache_aggregates_max, dice)
    }

    /// One process that never meets with anything.
    pub(super) fn calm(seed: u64) -> Self {
        Self::with(seed, 1, 0, 100, Dice::new(seed))
    }

    fn with(seed: u64, processes: usize, trouble: usize, cache_aggregates_max: usize, mut dice: Dice) -> Self {
        let store = StoreModel::new();
        // From rash to never: what is presumed to be new is there more often than in life.
        let new_run_min = [0, 1, u32::MAX][dice.below(3)];
        let processes = (0..processes).map(|_| Process::new(&store, 6, cache_aggregates_max, new_run_min)).collect();
        let (asked, acknowledged) = (vec![], BTreeMap::new());
        Self { seed, store, processes, dice, trouble, ticks: 0, began: Instant::now(), asked, acknowledged }
    }

    pub(super) fn events(&self) -> usize {
        self.store.events.len()
    }

    pub(super) fn settled(&self) -> usize {
        self.processes.iter().map(|process| process.settled).sum()
    }

    pub(super) fn step(&mut self) {
        self.ticks += 1;
        let at = self.dice.below(self.processes.len());
        match self.dice.below(20) {
            0..5 if self.processes[at].listens() => self.ask(at),
            5 => self.store.orphan_ends(&mut self.dice),
            6 if self.trouble > 0 => self.a_gate_is_damaged_or_mended(),
            _ => self.run(at),
        }
        self.listen();
    }

    /// Trouble ends; everybody must be answered and every cache must be right.
    pub(super) fn settle_down(&mut self) {
        self.trouble = 0;
        self.store.unreadable = None;
        let mut rounds = 0;
        while self.asked.iter().any(|asked| asked.answer.is_some())
            || self.processes.iter().any(|it| !it.is_at_rest())
            || self.store.has_orphans()
        {
            self.ticks += 1;
            self.store.orphan_ends(&mut self.dice);
            for at in 0..self.processes.len() {
                self.run(at);
            }
            self.listen();
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "seed {}: somebody is never answered", self.seed);
        }
        self.judge_the_store();
    }

    fn run(&mut self, at: usize) {
        let now = self.now();
        let instant = self.instant();
        let Self { store, dice, trouble, processes, .. } = self;
        processes[at].step(&mut Around { store, dice, trouble: *trouble, now, instant, landed: &mut vec![] });
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.ticks).unwrap()).unwrap()
    }

    fn instant(&self) -> Instant {
        self.began + Duration::from_millis(self.ticks)
    }

    fn a_gate_is_damaged_or_mended(&mut self) {
        let damaged = self.store.unreadable.is_none() && self.dice.percent(self.trouble);
        self.store.unreadable = damaged.then(|| self.dice.below(GATES));
        for asked in self.asked.iter_mut().filter(|asked| asked.answer.is_some()) {
            asked.unreadable |= asked.parts.iter().any(|part| Some(part.gate) == self.store.unreadable);
        }
    }

    fn ask(&mut self, at: usize) {
        let token = self.asked.len();
        // Without trouble no key is used twice: finding that out takes the slow path.
        let keyed = self.trouble > 0 && self.dice.percent(40);
        let key = keyed.then(|| format!("key {}", token / 8 + self.dice.below(3)));
        // A repeat asks for the same; sometimes somebody takes an old key for something else.
        let first =
            self.asked.iter().find(|asked| key.is_some() && asked.key.as_ref().map(|(key, _)| key) == key.as_ref());
        let repeated = first.map(|first| (first.parts.clone(), first.key.as_ref().map_or(0, |(_, body)| *body)));
        let (parts, body) = match repeated {
            Some((parts, body)) if !self.dice.percent(10) => (parts, body),
            Some((_, body)) => (self.parts(token), body + 1),
            None => (self.parts(token), 0),
        };
        let poison = self.trouble > 0 && self.dice.percent(2);
        let (answer, answered) = oneshot::channel();
        let patience = if self.trouble > 0 && self.dice.percent(25) { self.dice.below(60) } else { usize::MAX >> 16 };
        let named = key.as_ref().map(|key| IdempotencyKey {
            caller: "tester".to_owned(),
            key: key.clone(),
            fingerprint: [body; 32],
        });
        let submission = Submission {
            steps: parts.iter().map(|part| step(part, &self.store.codec)).collect(),
            key: named,
            metadata: if poison { POISON.into() } else { token.to_string().into() },
            deadline: self.instant() + Duration::from_millis(patience as u64),
            sent: false,
            sent_as: vec![],
            answer,
        };
        let known = key.as_ref().and_then(|key| self.acknowledged.get(key).cloned());
        let (key, since) = (key.map(|key| (key, body)), self.events());
        let torn = |gate| Some(gate) == self.store.unreadable || self.processes[at].could_not_read(gate);
        let unreadable = parts.iter().any(|part| torn(part.gate));
        let answer = Some(answered);
        self.asked.push(Asked { parts, key, poison, unreadable, since, known, answer, without_effect: false });
        let now = self.now();
        self.processes[at].batcher.arrive(submission, now);
    }

    fn parts(&mut self, token: usize) -> Vec<Part> {
        let count = if self.dice.percent(20) { 2 + self.dice.below(2) } else { 1 };
        let mut parts = Vec::new();
        for _ in 0..count {
            let gate = self.dice.below(GATES);
            let wants = match self.dice.below(10) {
                0..6 => Wants::Command(GateCommand::Pass { by: token, times: 1 + self.dice.below(3) }),
                6 => Wants::Command(GateCommand::Switch { open: false }),
                7 | 8 => Wants::Command(GateCommand::Switch { open: true }),
                _ => Wants::Open,
            };
            let version = self.store.gates(self.events()).get(&name(gate)).map_or(0, |(version, _)| *version);
            let near = version + i64::try_from(self.dice.below(3)).unwrap() - 1;
            let expected = self.dice.percent(15).then_some(near.max(0));
            parts.push(Part { gate, expected, wants });
        }
        parts
    }

    fn listen(&mut self) {
        for at in 0..self.asked.len() {
            let Some(receiver) = &mut self.asked[at].answer else { continue };
            match receiver.try_recv() {
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Closed) => panic!("seed {}: command {at} was dropped", self.seed),
                Ok(answer) => {
                    self.asked[at].answer = None;
                    self.judge_answer(at, answer);
                }
            }
        }
    }

    fn judge_answer(&mut self, at: usize, answer: Answer) {
        let asked = &self.asked[at];
        let what = format!("seed {} command {at} {:?} {:?}: {answer:?}", self.seed, asked.parts, asked.key);
        match answer {
            Ok(done) if done.replayed => self.judge_replay(at, &done, &what),
            Ok(done) if done.events.is_empty() => {
                assert_eq!(asked.known, None, "{what}");
                self.holds_somewhere(at, &Verdict::Nothing, Some(done.version), &what);
            }
            Ok(done) => self.judge_success(at, done, &what),
            Err(Rejection::Rule(_)) => self.holds_somewhere(at, &Verdict::Closed, None, &what),
            Err(Rejection::Conflict { expected, actual }) => {
                self.holds_somewhere(at, &Verdict::Conflict { expected, actual }, None, &what);
            }
            Err(Rejection::KeyReused) => {
                let (key, body) = asked.key.as_ref().unwrap();
                let other = |it: &Asked| it.key.as_ref().is_some_and(|(name, other)| name == key && other != body);
                assert!(self.asked.iter().any(other), "{what}");
            }
            Err(Rejection::Unavailable { sent }) => self.asked[at].without_effect = !sent,
            Err(Rejection::Broken(StoreError::Closed)) => assert!(asked.unreadable, "{what}"),
            Err(Rejection::Broken(_)) => assert!(asked.poison, "{what}"),
            Err(Rejection::Overloaded) => panic!("{what}"),
        }
    }

    /// A refusal, or nothing to do, rests on a committed state that was the newest at some time after it was asked.
    fn holds_somewhere(&self, at: usize, verdict: &Verdict, version: Option<i64>, what: &str) {
        let asked = &self.asked[at];
        assert!(
            asked.known.as_ref().is_none_or(|(_, events)| events.is_empty()),
            "the first answer goes first: {what}"
        );
        let holds = (asked.since..=self.events()).any(|count| {
            let gates = self.store.gates(count);
            let current = gates.get(&name(asked.parts[0].gate)).map_or(0, |(version, _)| *version);
            judge(gates, &asked.parts) == *verdict && version.is_none_or(|version| version == current)
        });
        assert!(holds, "{what}");
    }

    fn judge_success(&mut self, at: usize, done: Done, what: &str) {
        let asked = &self.asked[at];
        assert_eq!(asked.known, None, "{what}");
        let first = self.store.events.iter().position(|event| event.event_id == done.events[0]);
        let first = first.unwrap_or_else(|| panic!("not in the store: {what}"));
        let events = &self.store.events[first..first + done.events.len()];
        assert!(first >= asked.since, "{what}");
        assert!(events.iter().map(|event| event.event_id).eq(done.events.iter().copied()), "{what}");
        assert!(events.iter().all(|event| *event.metadata == *at.to_string()), "{what}");
        let after = self.store.gates(first + events.len());
        assert_eq!(after.get(&done.aggregate_id).map_or(0, |(version, _)| *version), done.version, "{what}");
        let newest = done.touched.iter().map(|(_, position)| *position).max();
        assert_eq!(newest, events.last().map(|event| event.position), "{what}");
        if let Some((key, body)) = &asked.key {
            self.acknowledged.insert(key.clone(), (*body, done.events));
        }
    }

    fn judge_replay(&self, at: usize, done: &Done, what: &str) {
        let asked = &self.asked[at];
        assert!(asked.key.is_some(), "{what}");
        if let Some((body, events)) = &asked.known {
            assert_eq!((asked.key.as_ref().map(|(_, body)| body), &done.events), (Some(body), events), "{what}");
        }
        for id in &done.events {
            let event = self.store.events.iter().find(|event| event.event_id == *id).expect(what);
            let first: usize = event.metadata.parse().unwrap();
            assert_eq!(self.asked[first].key, asked.key, "{what}");
        }
    }

    /// Every command is in the store once or not at all, as a whole, where it was right.
    fn judge_the_store(&self) {
        let mut commands = BTreeSet::new();
        let mut keys = BTreeSet::new();
        let mut at = 0;
        while let Some(event) = self.store.events.get(at) {
            let command: usize = event.metadata.parse().unwrap();
            let own = |other: &&crate::appender::rows::EventRow| other.metadata == event.metadata;
            let names: Vec<_> =
                self.store.events[at..].iter().take_while(own).map(|e| e.aggregate_id.to_string()).collect();
            let asked = &self.asked[command];
            let what = format!("seed {} command {command} at {at}", self.seed);
            assert!(commands.insert(command) && !asked.without_effect, "{what}");
            assert!(asked.key.as_ref().is_none_or(|(key, _)| keys.insert(key)), "{what}: {:?}", asked.key);
            let count = names.len();
            assert_eq!(judge(self.store.gates(at), &asked.parts), Verdict::Events(names), "{what}");
            at += count;
        }
    }
}
