//! Clients ask, repeat when they hear nothing, and remember what they were told.

use std::collections::BTreeMap;
use std::time::Duration;

use envelope::Position;
use event_store::Done;
use event_store::simulation::{Asking, GateCommand, Part, Pending, Reply, Wants};
use platform::token::ConsistencyToken;
use uuid::Uuid;

use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::readers::Reader;
use crate::views::CONTEXT;
use crate::world::World;
use crate::{GATES, partition_of};

/// After so long a client asks the other process.
const PATIENCE_MS: u64 = 600;

#[derive(Default)]
pub(crate) struct Client {
    request: Option<Request>,
    pub(crate) token: ConsistencyToken,
    /// The newest event of its own at each gate.
    pub(crate) wrote: BTreeMap<usize, (i64, Position)>,
    /// What it was told: the command, and its events.
    acknowledged: Vec<(usize, Vec<Uuid>)>,
}

struct Request {
    asking: Asking,
    /// The first answer that comes counts.
    pending: Vec<Pending>,
    sent_ms: u64,
    /// How many events could be seen when it was first asked. What is committed and not yet seen was not told to
    /// anybody either, so a decision may still rest on what was before.
    since: usize,
    /// How many events it makes.
    events: usize,
}

impl Client {
    pub(crate) fn waits(&self) -> bool {
        self.request.is_some()
    }
}

impl World {
    pub(crate) fn clients_step(&mut self) {
        let at = self.dice.below(self.clients.len());
        if self.clients[at].request.is_none() {
            match self.dice.percent(60) {
                true => self.ask(at),
                false => self.readers.push(Reader::new(&self.clients[at], self.now_ms)),
            }
        }
        self.clients_listen();
    }

    fn ask(&mut self, at: usize) {
        let number = self.commands;
        let count = if self.dice.percent(20) { 2 } else { 1 };
        let mut parts: Vec<Part> = vec![];
        for _ in 0..count {
            let gate = self.dice.below(GATES);
            let wants = match self.dice.below(10) {
                8 if count == 1 => GateCommand::Switch { open: false },
                9 if count == 1 => GateCommand::Switch { open: true },
                _ => GateCommand::Pass { by: number, times: 1 + self.dice.below(2) },
            };
            parts.push(Part { gate, expected: None, wants: Wants::Command(wants) });
        }
        self.commands += 1;
        if self.strikes(Fault::Poison) {
            self.views.poison.insert(number);
        }
        let events = parts.iter().map(times).sum();
        let patience = Duration::from_millis([50, 400, 100_000][self.dice.below(3)]);
        let asking = Asking { number, parts, key: Some((format!("key {number}"), number)), patience };
        self.note(|| format!("client {at} asks command {number}: {:?}", asking.parts));
        let seen = self.store.range(Position::ZERO, self.oracle.head());
        let since = seen.iter().zip(1..).take_while(|(fact, place)| fact.position.get() == *place).count();
        let request = Request { asking, pending: vec![], sent_ms: self.now_ms, since, events };
        self.clients[at].request = Some(request);
        self.send(at);
        if self.strikes(Fault::AskedTwice) {
            self.send(at);
        }
    }

    /// To a process that listens; if none does, it is tried again.
    fn send(&mut self, at: usize) {
        let Some(mut request) = self.clients[at].request.take() else { return };
        let to = self.dice.below(self.processes.len());
        request.sent_ms = self.now_ms;
        if self.processes[to].listens() {
            let asking = &request.asking;
            self.note(|| format!("client {at} sends command {} to process {to}", asking.number));
            request.pending.push(self.around(to, |process, around| process.ask(asking, around)));
        }
        self.clients[at].request = Some(request);
    }

    pub(crate) fn clients_listen(&mut self) {
        for at in 0..self.clients.len() {
            let Some(request) = &mut self.clients[at].request else { continue };
            let mut replies: Vec<Reply> = vec![];
            request.pending.retain_mut(|pending| match pending.poll() {
                Some(reply) => {
                    replies.push(reply);
                    false
                }
                None => true,
            });
            let known = replies.iter().any(|reply| !matches!(reply, Reply::Lost | Reply::Unavailable { .. }));
            let nobody = request.pending.is_empty();
            let late = self.now_ms > request.sent_ms + PATIENCE_MS;
            for reply in replies {
                self.hear(at, reply);
            }
            if !known && (nobody || late) && self.clients[at].request.is_some() {
                self.repeat(at);
            }
        }
    }

    fn repeat(&mut self, at: usize) {
        let forgets = self.is(Mutant::RetryWithoutKey);
        if let Some(request) = &mut self.clients[at].request
            && forgets
        {
            request.asking.key = None;
        }
        self.send(at);
    }

    fn hear(&mut self, at: usize, reply: Reply) {
        let Some(request) = &self.clients[at].request else { return };
        let number = request.asking.number;
        self.note(|| format!("client {at} hears of command {number}: {}", told(&reply)));
        match reply {
            Reply::Lost | Reply::Unavailable { .. } => return,
            Reply::Done(done) => self.judge_done(at, &done),
            Reply::Closed => self.judge_closed(at),
            Reply::Conflict | Reply::KeyReused | Reply::Broken(_) => {
                panic!("command {number} has no reason to be answered {reply:?}")
            }
        }
        self.clients[at].request = None;
    }

    /// What is acknowledged is in the store: exactly these events, and nowhere else.
    fn judge_done(&mut self, at: usize, done: &Done) {
        let Some(request) = &self.clients[at].request else { return };
        let number = request.asking.number;
        let own: Vec<_> = self.oracle.facts.iter().filter(|fact| fact.asked == number).copied().collect();
        assert!(
            own.iter().map(|fact| fact.event_id).eq(done.events.iter().copied()),
            "command {number} was acknowledged with {} events, and the store has {}",
            done.events.len(),
            own.len()
        );
        if !done.events.is_empty() {
            assert_eq!(own.len(), request.events, "command {number} has another effect than it was asked for");
        }
        for fact in &own {
            let seen = self.store.range(Position(fact.position.get() - 1), fact.position);
            assert_eq!(seen.len(), 1, "command {number} was acknowledged before others can see it");
        }
        let token = ConsistencyToken::of(CONTEXT.name(), done.history, &done.touched);
        let minimum = self.is(Mutant::TokenMinimum);
        let client = &mut self.clients[at];
        client.acknowledged.push((number, done.events.clone()));
        for fact in &own {
            client.wrote.insert(fact.gate, (fact.sequence, fact.position));
        }
        if minimum {
            for (place, at) in token.touched {
                let held = client.token.touched.entry(place).or_insert(at);
                *held = at.min(*held);
            }
        } else {
            client.token.merge(token);
        }
    }

    /// A refusal rests on a state that was the newest at some time after the command was asked.
    fn judge_closed(&self, at: usize) {
        let Some(request) = &self.clients[at].request else { return };
        let states = &self.oracle.shut[request.since..];
        let shut = states.iter().any(|shut| request.asking.parts.iter().any(|part| shut[part.gate]));
        assert!(shut, "command {} was refused though no gate was closed", request.asking.number);
    }

    /// Every command is in the store once or not at all, and all that was acknowledged is.
    pub(crate) fn judge_clients(&self) {
        let mut last: BTreeMap<usize, Position> = BTreeMap::new();
        for fact in &self.oracle.facts {
            if let Some(before) = last.insert(fact.asked, fact.position) {
                assert_eq!(before.next(), fact.position, "command {} has two effects", fact.asked);
            }
        }
        for (number, events) in self.clients.iter().flat_map(|client| &client.acknowledged) {
            let own = self.oracle.facts.iter().filter(|fact| fact.asked == *number).map(|fact| fact.event_id);
            assert!(own.eq(events.iter().copied()), "command {number} is not what was acknowledged");
        }
    }
}

fn times(part: &Part) -> usize {
    match part.wants {
        Wants::Command(GateCommand::Pass { times, .. }) => times,
        Wants::Command(GateCommand::Switch { .. }) => 1,
        Wants::Open => 0,
    }
}

/// Without what differs from run to run: ids.
fn told(reply: &Reply) -> String {
    match reply {
        Reply::Done(done) => format!("done, {} events, token {:?}", done.events.len(), done.touched),
        other => format!("{other:?}"),
    }
}

/// The place of a gate's events in a token.
pub(crate) fn entry(gate: usize) -> (String, i32) {
    (CONTEXT.name().to_owned(), partition_of(gate) as i32)
}
