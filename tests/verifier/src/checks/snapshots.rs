//! Every snapshot against its aggregate folded from its events, byte for byte.

use domain::identity::Account;
use domain::orders::Order;
use domain::payments::Payment;
use domain::products::{Product, Reservation, Stock};
use domain::{Folded, shape};
use event_schemas::{Context, Event};
use platform::bar::Bar;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use super::Check;
use crate::{Outcome, Subject};

const INVARIANTS: &[&str] = &["I6"];
/// Snapshots read at once.
const PAGE_ROWS: i64 = 500;

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "snapshots", run: |subject| Box::pin(check(subject)) };

#[derive(sqlx::FromRow)]
struct Snapshot {
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
    event_id: Uuid,
    shape: String,
    state: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    event_id: Uuid,
    event_type: String,
    event_version: String,
    payload: String,
}

/// What the fold of an aggregate's events is, and the name of its shape.
struct State {
    shape: String,
    state: String,
}

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (context, store) in &subject.stores {
        let mut outcome = Outcome::of(INVARIANTS, format!("store {context}: snapshots against the fold of events"));
        let count: i64 = sqlx::query_scalar("select count(*) from snapshots").fetch_one(&store.database).await?;
        let bar = Bar::new(format!("snapshots of {context}"), Some(count.unsigned_abs()));
        let (mut compared, mut unused, mut after) = (0_u64, 0_u64, (String::new(), String::new()));
        loop {
            let page = page(&store.database, &after).await?;
            let Some(last) = page.last() else { break };
            after = (last.aggregate_type.clone(), last.aggregate_id.clone());
            for snapshot in &page {
                match compare(&store.database, *context, snapshot).await? {
                    Found::Same => compared += 1,
                    Found::OtherShape => unused += 1,
                    Found::Differs(reason) => {
                        compared += 1;
                        let Snapshot { aggregate_type, aggregate_id, sequence, .. } = snapshot;
                        outcome.violated(format!("{aggregate_type} `{aggregate_id}` at {sequence}: {reason}"));
                    }
                }
            }
            bar.add(page.len() as u64);
        }
        bar.finish();
        outcome.see("snapshots", compared);
        outcome.see("of other shapes, which nobody uses", unused);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

async fn page(database: &PgPool, after: &(String, String)) -> sqlx::Result<Vec<Snapshot>> {
    sqlx::query_as(
        "select aggregate_type, aggregate_id, sequence, event_id, shape, state::text as state from snapshots
          where (aggregate_type, aggregate_id) > ($1, $2) order by aggregate_type, aggregate_id limit $3",
    )
    .bind(&after.0)
    .bind(&after.1)
    .bind(PAGE_ROWS)
    .fetch_all(database)
    .await
}

enum Found {
    Same,
    OtherShape,
    Differs(String),
}

async fn compare(database: &PgPool, context: Context, snapshot: &Snapshot) -> anyhow::Result<Found> {
    let rows: Vec<Row> = sqlx::query_as(
        "select sequence, event_id, event_type, event_version, payload::text as payload from events
          where aggregate_type = $1 and aggregate_id = $2 and sequence <= $3 order by sequence",
    )
    .bind(&snapshot.aggregate_type)
    .bind(&snapshot.aggregate_id)
    .bind(snapshot.sequence)
    .fetch_all(database)
    .await?;
    let stands_at = rows.last().is_some_and(|row| {
        row.sequence == snapshot.sequence && row.event_id == snapshot.event_id && row.sequence == rows.len() as i64
    });
    if !stands_at {
        return Ok(Found::Differs("the store has not the event at which it stands".to_owned()));
    }
    let folded = match fold(context, &snapshot.aggregate_type, &rows) {
        Ok(Some(folded)) => folded,
        Ok(None) => return Ok(Found::Differs("nobody knows this type of aggregate".to_owned())),
        Err(error) => return Ok(Found::Differs(format!("its events cannot be read: {error:#}"))),
    };
    Ok(if folded.shape != snapshot.shape {
        Found::OtherShape
    } else if folded.state == snapshot.state {
        Found::Same
    } else {
        Found::Differs(format!("it is {} and its events make {}", snapshot.state, folded.state))
    })
}

/// The aggregate that these events make; `None` for a type that is of no context.
fn fold(context: Context, aggregate_type: &str, rows: &[Row]) -> anyhow::Result<Option<State>> {
    let mut happened = Vec::with_capacity(rows.len());
    for row in rows {
        happened.push(Event::decode(context, &row.event_type, &row.event_version, &row.payload)?);
    }
    let (mut account, mut order) = (Account::default(), Order::default());
    let (mut product, mut reservation, mut stock) = (Product::default(), Reservation::default(), Stock::default());
    let mut payment = Payment::default();
    for event in happened {
        match event {
            Event::Identity(event) => account.evolve(event),
            Event::Orders(event) => order.evolve(event),
            Event::Products(event) => product.evolve(event),
            Event::Reservation(event) => reservation.evolve(event),
            Event::Stock(event) => stock.evolve(event),
            Event::Payments(event) => payment.evolve(event),
        }
    }
    match (context, aggregate_type) {
        (Context::Identity, "account") => one(&account).map(Some),
        (Context::Orders, "order") => one(&order).map(Some),
        (Context::Products, "product") => one(&product).map(Some),
        (Context::Products, "reservation") => one(&reservation).map(Some),
        (Context::Products, "stock") => one(&stock).map(Some),
        (Context::Payments, "payment") => one(&payment).map(Some),
        _ => Ok(None),
    }
}

fn one<A: Folded + Serialize>(aggregate: &A) -> anyhow::Result<State> {
    // As the store writes it beside a snapshot: the hash of the schema.
    let shape = platform::hexadecimal(&Sha256::digest(shape::<A>()));
    Ok(State { shape, state: serde_json::to_string(aggregate)? })
}
