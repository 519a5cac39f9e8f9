//! Asks aggregates for what policies want of them.

mod reservations;

use domain::orders::{Order, OrderCommand};
use domain::payments::Payment;
use domain::policies::{Dispatch, OrderAsk, StockAsk};
use domain::products::{Product, Reservation, Stock, StockCommand};
use envelope::Cause;
use event_store::{Ask, Commands, Done, IdempotencyKey, Refused, Store, StoreError};
use platform::clock;
use sha2::{Digest as _, Sha256};

use crate::dispatches::{Noted, json};

/// The aggregates of the contexts that are here.
#[derive(Clone)]
pub struct Sender {
    /// Orders.
    pub orders: Commands<Order>,
    /// Payments.
    pub payments: Commands<Payment>,
    /// The store of products, over whose aggregates a reservation goes as one.
    pub products_store: Store,
    /// Products.
    pub products: Commands<Product>,
    /// What orders have reserved.
    pub reservations: Commands<Reservation>,
    /// The stock of variants.
    pub stock: Commands<Stock>,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It took effect, or there was nothing to do.
    Done,
    /// It can be tried again.
    Later(String),
    /// A person has to look at it.
    Refused(String),
}

impl Sender {
    /// Sends a command that was noted. To send it again has no other effect and the same answer.
    pub(crate) async fn send(&self, policy: &'static str, noted: &Noted) -> Sent {
        let ask = asked(policy, noted);
        match &noted.dispatch {
            Dispatch::Order { order, ask: wanted } => {
                let command = match wanted {
                    OrderAsk::Reserve => OrderCommand::Reserve,
                    OrderAsk::Confirm => OrderCommand::Confirm { at: clock::now() },
                    OrderAsk::Complete => OrderCommand::Complete,
                    OrderAsk::Cancel { reason } => OrderCommand::Cancel { reason: *reason },
                };
                sent(self.orders.execute(&order.to_string(), command, ask).await)
            }
            Dispatch::Payment { payment, ask: wanted } => {
                sent(self.payments.execute(&payment.to_string(), wanted.clone(), ask).await)
            }
            Dispatch::Reservation { reservation, ask: wanted } => self.reserve(*reservation, wanted, ask).await,
            Dispatch::Stock { product, sku, ask: StockAsk::Lapse { reservation } } => {
                let command = StockCommand::Lapse { reservation: *reservation };
                sent(self.stock.execute(&format!("{product}/{sku}"), command, ask).await)
            }
        }
    }
}

/// Who asks, because of what, and under which key: it derives from policy, event and ordinal.
fn asked(policy: &'static str, noted: &Noted) -> Ask {
    let caller = format!("policy:{policy}");
    let cause = Cause {
        actor: caller.clone(),
        correlation_id: noted.led_by.cause.correlation_id,
        causation_id: Some(noted.led_by.event_id),
        traceparent: noted.led_by.cause.traceparent.clone(),
    };
    let asked = json(&noted.dispatch).unwrap_or_default();
    let fingerprint = Sha256::digest(asked.as_bytes()).into();
    let key = format!("{}/{}", noted.led_by.event_id, noted.led_by.ordinal);
    Ask::new(cause).with_key(IdempotencyKey { caller, key, fingerprint })
}

fn sent<E: std::fmt::Display>(came: Result<Done, Refused<E>>) -> Sent {
    match came {
        Ok(_) => Sent::Done,
        Err(refused @ (Refused::Overloaded | Refused::Unavailable { .. })) => Sent::Later(refused.to_string()),
        Err(Refused::Broken(error)) => broken(&error),
        Err(refused @ (Refused::Rule(_) | Refused::Conflict { .. } | Refused::KeyReused)) => {
            Sent::Refused(refused.to_string())
        }
    }
}

/// What the store says when it is not about a rule.
fn broken(error: &StoreError) -> Sent {
    match error {
        StoreError::Unavailable(_)
        | StoreError::Database(_)
        | StoreError::Closed
        | StoreError::HistoryLost { .. }
        | StoreError::NotAsSigned { .. } => Sent::Later(error.to_string()),
        other => Sent::Refused(other.to_string()),
    }
}
