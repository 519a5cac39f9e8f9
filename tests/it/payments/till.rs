//! Drives payments to their ends: asks a provider for what their events ask, and records what it says.

use std::collections::BTreeMap;

use domain::payments::{Payment, PaymentCommand, PaymentError};
use envelope::{Position, Recorded, Timestamp};
use event_schemas::ids::{OperationId, PaymentId};
use event_schemas::{Context, Event, upcasters};
use event_store::{Ask, Commands, Done, RawPayload, Reader, Refused, Store};
use platform::http::context;
use reactors::payments::{Effect, Next, Pace, PaymentProvider, Request};

/// Turns that a payment may need before it is still; more would be a loop.
const TURNS_MAX: usize = 200;
const EVENTS_MAX: i64 = 10_000;

/// One who asks the provider, as the ledger's shell does, but with a clock of its own and nothing stored.
pub(crate) struct Till<P> {
    pub(crate) provider: P,
    commands: Commands<Payment>,
    reader: Reader,
    position: Position,
    now: Timestamp,
    ledger: BTreeMap<OperationId, (Request, Effect, Next)>,
}

impl<P: PaymentProvider> Till<P> {
    pub(crate) fn new(provider: P, store: &Store) -> Self {
        Self {
            provider,
            commands: store.commands::<Payment>((), upcasters(Context::Payments)),
            reader: store.reader(),
            position: Position(0),
            now: Timestamp::from_micros(1_795_000_000_000_000).unwrap(),
            ledger: BTreeMap::new(),
        }
    }

    pub(crate) async fn ask(&self, payment: PaymentId, command: PaymentCommand) -> Result<Done, Refused<PaymentError>> {
        self.commands.execute(&payment.to_string(), command, Ask::new(context::cause("till"))).await
    }

    /// Asks, and expects that it is not refused.
    pub(crate) async fn accepted(&self, payment: PaymentId, command: PaymentCommand) -> Done {
        self.ask(payment, command).await.unwrap_or_else(|no| panic!("{no}"))
    }

    pub(crate) async fn state(&self, payment: PaymentId) -> Payment {
        self.commands.load(&payment.to_string()).await.unwrap().1
    }

    /// One step of every operation that is not at its end, whenever it would be due. How many were not.
    pub(crate) async fn turn(&mut self) -> usize {
        self.take_in().await;
        let open: Vec<OperationId> =
            self.ledger.iter().filter(|(_, (_, _, next))| *next != Next::Done).map(|(id, _)| *id).collect();
        for id in &open {
            self.step(*id).await;
        }
        open.len()
    }

    /// Until nothing is under way.
    pub(crate) async fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.turn().await == 0 {
                return;
            }
        }
        panic!("still under way after {TURNS_MAX} turns: {:?}", self.ledger);
    }

    /// How often the provider was asked to perform an operation.
    pub(crate) fn attempts(&self, operation: OperationId) -> u32 {
        self.ledger[&operation].1.attempts
    }

    /// Forgets what came of a request that was sent, as a process does that is killed before it could write it down.
    pub(crate) async fn perform_and_die(&mut self, operation: OperationId) {
        self.take_in().await;
        let (request, effect, next) = self.ledger.get_mut(&operation).unwrap();
        *effect = effect.clone().begun();
        self.provider.perform(request).await.ok();
        *next = effect.next(self.now);
    }

    /// What was asked for since the last look.
    async fn take_in(&mut self) {
        for event in self.reader.after(self.position, EVENTS_MAX).await.unwrap() {
            self.position = event.position;
            let read = |head: &Recorded<()>, data: RawPayload| {
                Event::decode(Context::Payments, &head.event_type, &head.event_version, data.get())
            };
            if let Some(request) = Request::of(&event.try_map(read).unwrap()) {
                let effect = Effect::new(request.kind);
                let next = effect.next(self.now);
                self.ledger.insert(request.operation, (request, effect, next));
            }
        }
    }

    async fn step(&mut self, id: OperationId) {
        let (request, effect, next) = self.ledger[&id].clone();
        let step = match next {
            Next::Done => return,
            Next::PerformAt(at) => {
                self.now = self.now.max(at);
                let effect = effect.begun();
                effect.performed(self.provider.perform(&request).await, self.now, Pace::default())
            }
            Next::LookUpAt(at) => {
                self.now = self.now.max(at);
                effect.looked_up(self.provider.look_up(id).await, self.now, Pace::default())
            }
        };
        if let Some(outcome) = step.record {
            self.accepted(request.payment, PaymentCommand::Record { operation: id, outcome }).await;
        }
        self.ledger.insert(id, (request, step.effect, step.next));
    }
}
