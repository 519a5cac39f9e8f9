//! What must hold of a market whoever runs it: stock is never promised twice, orders go the ways they may go, and
//! whatever was begun has an end or somebody who keeps the time.

use std::collections::{BTreeMap, BTreeSet};

use envelope::{Position, Recorded};
use event_schemas::orders::OrderEvent;
use event_schemas::products::StockEvent;
use event_schemas::{Context, Event};
use event_store::{RawPayload, StoreError};
use platform::bar::Bar;
use uuid::Uuid;

use super::Check;
use crate::oracle::decoded;
use crate::{Outcome, Subject};

const INVARIANTS: &[&str] = &["I14", "I17", "I20"];
/// Events read in one short transaction.
const RANGE_EVENTS: i64 = 50_000;
/// So many orders are asked for by name at once.
const PAGE_ORDERS: usize = 1_000;

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "the rules of the market", run: |subject| Box::pin(check(subject)) };

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let mut shelves = Shelves::new();
    // Products first: what an order has led to there by now is seen, and nothing that an order will lead to is missed.
    read(subject, Context::Products, |event| shelves.take(event)).await?;
    let mut book = Book::new();
    read(subject, Context::Orders, |event| book.take(event)).await?;
    let mut ends = Outcome::of(&["I20"], "every order has an end, or somebody who keeps its time");
    timed(subject, &book, &mut ends).await?;
    Ok(vec![shelves.told(), book.told(), ends])
}

async fn read(
    subject: &Subject,
    context: Context,
    mut take: impl FnMut(&Recorded<RawPayload>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let reader = &subject.store(context)?.reader;
    let head = reader.head().await?.position;
    let bar = Bar::new(format!("market of {context}"), Some(head.get().unsigned_abs()));
    let mut at = Position::ZERO;
    while at < head {
        let up_to = Position((at.get() + RANGE_EVENTS).min(head.get()));
        reader.range_copy(at, up_to, |event| take(&event).map_err(Stopped::Event)).await.map_err(|stopped| {
            match stopped {
                Stopped::Store(error) => error.into(),
                Stopped::Event(error) => error,
            }
        })?;
        bar.add(up_to.get().abs_diff(at.get()));
        at = up_to;
    }
    bar.finish();
    Ok(())
}

enum Stopped {
    Store(StoreError),
    Event(anyhow::Error),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The stock of every variant, step by step.
struct Shelves {
    stocks: BTreeMap<String, Shelf>,
    steps: u64,
    outcome: Outcome,
}

#[derive(Default)]
struct Shelf {
    on_hand: i128,
    /// By whom pieces are kept.
    open: BTreeMap<Uuid, i64>,
    /// Reservations that have acted.
    finished: BTreeSet<Uuid>,
}

impl Shelves {
    fn new() -> Self {
        let outcome = Outcome::of(&["I14"], "no piece was promised twice, at any moment");
        Self { stocks: BTreeMap::new(), steps: 0, outcome }
    }

    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Stock(happened) = decoded(event)? else { return Ok(()) };
        let shelf = self.stocks.entry(event.aggregate_id.clone()).or_default();
        self.steps += 1;
        if let Some(wrong) = shelf.step(&happened) {
            let (id, position) = (&event.aggregate_id, event.position);
            self.outcome.violated(format!("stock `{id}` at position {position}: {wrong}"));
        }
        Ok(())
    }

    fn told(mut self) -> Outcome {
        self.outcome.see("stocks", self.stocks.len());
        self.outcome.see("steps", self.steps);
        self.outcome
    }
}

impl Shelf {
    /// What is wrong after a step, if anything is.
    fn step(&mut self, happened: &StockEvent) -> Option<String> {
        let mut wrong = None;
        match happened {
            StockEvent::StockReceived { quantity, .. } => self.on_hand += i128::from(*quantity),
            StockEvent::StockAdjusted { change, .. } => self.on_hand += i128::from(*change),
            StockEvent::StockReserved { reservation, quantity, .. } => {
                let again = self.open.insert(reservation.0, *quantity).is_some();
                if again || self.finished.contains(&reservation.0) {
                    wrong = Some(format!("reservation {reservation} acted twice"));
                }
            }
            StockEvent::StockReleased { reservation, quantity }
            | StockEvent::StockCommitted { reservation, quantity } => {
                let kept = self.open.remove(&reservation.0);
                if kept != Some(*quantity) {
                    wrong = Some(format!("reservation {reservation} had {kept:?} pieces and settled {quantity}"));
                }
                self.finished.insert(reservation.0);
                if let StockEvent::StockCommitted { .. } = happened {
                    self.on_hand -= i128::from(*quantity);
                }
            }
        }
        let reserved: i128 = self.open.values().map(|quantity| i128::from(*quantity)).sum();
        let short = self.on_hand < 0 || reserved > self.on_hand;
        wrong.or_else(|| short.then(|| format!("{} pieces on hand and {reserved} of them reserved", self.on_hand)))
    }
}

/// How far every order has come.
struct Book {
    orders: BTreeMap<Uuid, Progress>,
    steps: u64,
    outcome: Outcome,
}

#[derive(Clone, Copy)]
struct Progress {
    state: &'static str,
    position: Position,
}

impl Book {
    fn new() -> Self {
        let outcome = Outcome::of(&["I17"], "every order went a way that orders may go");
        Self { orders: BTreeMap::new(), steps: 0, outcome }
    }

    fn take(&mut self, event: &Recorded<RawPayload>) -> anyhow::Result<()> {
        let Event::Orders(happened) = decoded(event)? else { return Ok(()) };
        let id: Uuid = event.aggregate_id.parse()?;
        let was = self.orders.get(&id).map_or("nothing", |order| order.state);
        let (from, state): (&[&str], _) = match &happened {
            OrderEvent::OrderImported { .. } => (&["nothing"], "completed"),
            OrderEvent::OrderPlaced { .. } => (&["nothing"], "placed"),
            OrderEvent::OrderReserved { .. } => (&["placed"], "reserved"),
            OrderEvent::OrderConfirmed { .. } => (&["reserved"], "confirmed"),
            OrderEvent::OrderShipped { whole: false, .. } => (&["confirmed", "partly shipped"], "partly shipped"),
            OrderEvent::OrderShipped { whole: true, .. } => (&["confirmed", "partly shipped"], "shipped"),
            OrderEvent::OrderDelivered { .. } => (&["shipped"], "delivered"),
            OrderEvent::OrderCompleted { .. } => (&["delivered"], "completed"),
            OrderEvent::OrderCancelled { .. } => (&["placed", "reserved", "confirmed"], "cancelled"),
        };
        self.steps += 1;
        if !from.contains(&was) {
            let name = happened.name();
            self.outcome.violated(format!("order {id} at position {}: {name} after {was}", event.position));
        }
        self.orders.insert(id, Progress { state, position: event.position });
        Ok(())
    }

    fn told(mut self) -> Outcome {
        self.outcome.see("orders", self.orders.len());
        self.outcome.see("steps", self.steps);
        self.outcome
    }
}

/// Orders that wait for something must be waited for: by a timer, by a command that is noted, or by a policy that has
/// not heard of them yet. One that has moved on meanwhile is left alone.
async fn timed(subject: &Subject, book: &Book, outcome: &mut Outcome) -> anyhow::Result<()> {
    let reached: Option<i64> = sqlx::query_scalar(
        "select position from react.checkpoints where policy = 'order_fulfilment' and context = 'orders'",
    )
    .fetch_optional(&subject.views)
    .await?;
    let Some(reached) = reached else {
        outcome.violated("nobody has said where the policy of orders begins: run `handsel migrate`");
        return Ok(());
    };
    let waits = |order: &Progress| {
        matches!(order.state, "placed" | "reserved" | "confirmed" | "delivered") && order.position.get() <= reached
    };
    let waiting: Vec<_> = book.orders.iter().filter(|(_, order)| waits(order)).collect();
    outcome.see("orders that wait", waiting.len());
    for page in waiting.chunks(PAGE_ORDERS) {
        let ids: Vec<String> = page.iter().map(|(id, _)| id.to_string()).collect();
        let kept: BTreeSet<String> = sqlx::query_scalar(
            "select id from unnest($1::text[]) as w(id)
              where exists (select from react.timers t where t.about = 'order/' || w.id)
                 or exists (select from react.dispatches d where d.target_id = w.id)",
        )
        .bind(&ids)
        .fetch_all(&subject.views)
        .await?
        .into_iter()
        .collect();
        for (id, order) in page.iter().filter(|(id, _)| !kept.contains(&id.to_string())) {
            if newest(subject, **id).await? == Some(order.position.get()) {
                outcome.violated(format!("order {id} is {} and nobody keeps its time", order.state));
            }
        }
    }
    Ok(())
}

/// Where the newest event of an order stands now.
async fn newest(subject: &Subject, order: Uuid) -> anyhow::Result<Option<i64>> {
    let database = &subject.store(Context::Orders)?.database;
    let sql = "select max(position) from events where aggregate_type = 'order' and aggregate_id = $1";
    Ok(sqlx::query_scalar(sql).bind(order.to_string()).fetch_one(database).await?)
}
