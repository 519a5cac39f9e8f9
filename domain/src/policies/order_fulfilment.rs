//! How an order comes from its placing to its end: its pieces are reserved, it is paid, sent, delivered and completed,
//! or what was done for it is undone.

use envelope::Recorded;
use event_schemas::ids::{OperationId, OrderId, PaymentId, ReservationId};
use event_schemas::orders::{CancellationReason, CancelledStage, OrderEvent};
use event_schemas::payments::{OperationKind, PaymentEvent};
use event_schemas::products::{DeclineReason, ReservationEvent};
use event_schemas::{Context, Event};

use super::{Dispatch, OrderAsk, Policy, Reaction, ReservationAsk, Timer, WantedLine, ask};
use crate::payments::PaymentCommand;

pub(super) const POLICY: Policy =
    Policy { name: "order_fulfilment", contexts: &[Context::Orders, Context::Payments, Context::Products], react };

const PAYMENT_DUE: &str = "payment_due";
const SHIPMENT_DUE: &str = "shipment_due";
const COMPLETION: &str = "completion";

fn react(event: &Recorded<Event>) -> Vec<Reaction> {
    match &event.data {
        Event::Orders(happened) => match event.aggregate_id.parse() {
            Ok(order) => of_order(order, happened),
            // An order is named by a UUID; what is not of this program is left alone.
            Err(_) => vec![],
        },
        Event::Payments(happened) => of_payment(happened),
        Event::Reservation(happened) => of_reservation(happened),
        Event::Identity(_) | Event::Products(_) | Event::Stock(_) => vec![],
    }
}

fn of_order(order: OrderId, happened: &OrderEvent) -> Vec<Reaction> {
    match happened {
        // It triggers nothing: it was completed elsewhere.
        OrderEvent::OrderImported { .. } => vec![],
        OrderEvent::OrderPlaced { lines, pay_until, .. } => {
            let wanted = |line: &event_schemas::orders::OrderLine| WantedLine {
                product: line.product,
                sku: line.sku.clone(),
                quantity: line.quantity,
                unit_price: line.unit_price,
            };
            let lines = lines.iter().map(wanted).collect();
            vec![
                reserve(order, ReservationAsk::Make { order, lines }),
                Reaction::Remind(Timer {
                    name: PAYMENT_DUE,
                    about: about(order),
                    why: "the order waits for its payment",
                    due: *pay_until,
                    dispatch: cancel(order, CancellationReason::PaymentExpired),
                }),
            ]
        }
        // Nothing is to be paid for what costs nothing.
        OrderEvent::OrderReserved { total, .. } if total.amount_minor == 0 => {
            vec![ask(Dispatch::Order { order, ask: OrderAsk::Confirm })]
        }
        OrderEvent::OrderReserved { customer, total, payment_method } => vec![pay(
            order,
            PaymentCommand::Authorize {
                payment: PaymentId(order.0),
                order,
                payer: *customer,
                amount: *total,
                method: payment_method.clone(),
                operation: operation(order, "authorize"),
            },
        )],
        OrderEvent::OrderConfirmed { ship_until } => vec![
            forget(order, PAYMENT_DUE),
            Reaction::Remind(Timer {
                name: SHIPMENT_DUE,
                about: about(order),
                why: "the order is paid and waits to be sent",
                due: *ship_until,
                dispatch: cancel(order, CancellationReason::NotShipped),
            }),
        ],
        OrderEvent::OrderShipped { total, .. } => {
            let mut all = vec![forget(order, SHIPMENT_DUE), reserve(order, ReservationAsk::Commit)];
            if total.amount_minor > 0 {
                // With the first shipment, all of it. Later ones ask for the same, which acts once.
                let operation = operation(order, "capture");
                all.push(pay(order, PaymentCommand::Capture { operation, amount: None }));
            }
            all
        }
        OrderEvent::OrderDelivered { complete_at } => vec![Reaction::Remind(Timer {
            name: COMPLETION,
            about: about(order),
            why: "the order is delivered and completes unless somebody objects",
            due: *complete_at,
            dispatch: Dispatch::Order { order, ask: OrderAsk::Complete },
        })],
        OrderEvent::OrderCompleted { .. } => vec![forget(order, COMPLETION)],
        OrderEvent::OrderCancelled { stage, total, .. } => {
            let mut all =
                vec![forget(order, PAYMENT_DUE), forget(order, SHIPMENT_DUE), reserve(order, ReservationAsk::Release)];
            if *stage != CancelledStage::Placed && total.amount_minor > 0 {
                // Also an authorization that is still under way: the payment remembers it.
                all.push(pay(order, PaymentCommand::Void { operation: operation(order, "void") }));
            }
            all
        }
    }
}

fn of_payment(happened: &PaymentEvent) -> Vec<Reaction> {
    match happened {
        PaymentEvent::PaymentAuthorized { order, .. } => {
            vec![ask(Dispatch::Order { order: *order, ask: OrderAsk::Confirm })]
        }
        PaymentEvent::PaymentOperationFailed { order, kind: OperationKind::Authorize, .. } => {
            vec![ask(cancel(*order, CancellationReason::PaymentFailed))]
        }
        PaymentEvent::PaymentOperationFailed { .. }
        | PaymentEvent::PaymentAuthorizationRequested { .. }
        | PaymentEvent::PaymentCaptureRequested { .. }
        | PaymentEvent::PaymentVoidRequested { .. }
        | PaymentEvent::PaymentRefundRequested { .. }
        | PaymentEvent::PaymentVoidDeferred { .. }
        | PaymentEvent::PaymentVoidDropped { .. }
        | PaymentEvent::PaymentOperationPending { .. }
        | PaymentEvent::PaymentOperationUnknown { .. }
        | PaymentEvent::PaymentCaptured { .. }
        | PaymentEvent::PaymentVoided { .. }
        | PaymentEvent::PaymentRefunded { .. } => vec![],
    }
}

fn of_reservation(happened: &ReservationEvent) -> Vec<Reaction> {
    match happened {
        ReservationEvent::ReservationMade { order, .. } => {
            vec![ask(Dispatch::Order { order: *order, ask: OrderAsk::Reserve })]
        }
        ReservationEvent::ReservationDeclined { order, reason, .. } => {
            let reason = match reason {
                DeclineReason::NotEnough => CancellationReason::OutOfStock,
                DeclineReason::NotForSale | DeclineReason::PriceChanged => CancellationReason::OfferChanged,
            };
            vec![ask(cancel(*order, reason))]
        }
        ReservationEvent::ReservationReleased {} | ReservationEvent::ReservationCommitted {} => vec![],
    }
}

/// The reservation of an order has the order's id, so that neither has to remember the other's.
fn reserve(order: OrderId, wanted: ReservationAsk) -> Reaction {
    ask(Dispatch::Reservation { reservation: ReservationId(order.0), ask: wanted })
}

/// So has its payment.
fn pay(order: OrderId, wanted: PaymentCommand) -> Reaction {
    ask(Dispatch::Payment { payment: PaymentId(order.0), ask: wanted })
}

/// The operation that always follows from an order: each is asked for once.
fn operation(order: OrderId, what: &str) -> OperationId {
    OperationId::derived(order.0, what.as_bytes())
}

fn cancel(order: OrderId, reason: CancellationReason) -> Dispatch {
    Dispatch::Order { order, ask: OrderAsk::Cancel { reason } }
}

fn forget(order: OrderId, timer: &'static str) -> Reaction {
    Reaction::Forget { timer, about: about(order) }
}

fn about(order: OrderId) -> String {
    format!("order/{order}")
}
