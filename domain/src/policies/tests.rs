//! What follows from each event.

use std::sync::Arc;

use envelope::{Cause, Position};
use event_schemas::Currency;
use event_schemas::ids::{AccountId, ShipmentId};
use event_schemas::orders::{CancelledStage, OrderEvent, OrderLine};
use event_schemas::products::{DeclineReason, ReservationEvent, StockEvent};
use uuid::Uuid;

use super::*;

const ID: Uuid = Uuid::from_u128(1);

fn recorded(aggregate: &str, data: impl Into<Event>) -> Recorded<Event> {
    let data = data.into();
    Recorded {
        position: Position(1),
        context: Arc::from(data.context().name()),
        aggregate_type: Arc::from("of no matter"),
        aggregate_id: aggregate.to_owned(),
        sequence: 1,
        event_id: ID,
        event_type: Arc::from(data.name()),
        event_version: Arc::from(data.version()),
        recorded_at: Timestamp::default(),
        cause: Cause::new("ana", ID),
        data,
    }
}

fn of_order(happened: OrderEvent) -> Vec<Reaction> {
    (order_fulfilment::POLICY.react)(&recorded(&ID.to_string(), happened))
}

fn of_stock(happened: StockEvent) -> Vec<Reaction> {
    (reservation_expiry::POLICY.react)(&recorded(&format!("{ID}/RED"), happened))
}

fn usd(amount_minor: i64) -> Money {
    Money { amount_minor, currency: Currency::USD }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000).unwrap()
}

fn to_order(ask: OrderAsk) -> Dispatch {
    Dispatch::Order { order: OrderId(ID), ask }
}

fn to_reservation(ask: ReservationAsk) -> Reaction {
    Reaction::Dispatch(Dispatch::Reservation { reservation: ReservationId(ID), ask })
}

/// What is asked for later, without the words for people.
fn reminders(reactions: &[Reaction]) -> Vec<(&'static str, &str, Timestamp, &Dispatch)> {
    let timer = |reaction| match reaction {
        &Reaction::Remind(Timer { name, ref about, due, ref dispatch, .. }) => {
            Some((name, about.as_str(), due, dispatch))
        }
        _ => None,
    };
    reactions.iter().filter_map(timer).collect()
}

fn forgotten(reactions: &[Reaction]) -> Vec<&'static str> {
    let name = |reaction: &Reaction| match reaction {
        Reaction::Forget { timer, .. } => Some(*timer),
        _ => None,
    };
    reactions.iter().filter_map(name).collect()
}

#[test]
fn a_placed_order_is_reserved_and_waits_for_its_payment() {
    let (product, sku, unit_price) = (ProductId(ID), "RED".parse::<Sku>().unwrap(), usd(1200));
    let line = OrderLine { product, sku: sku.clone(), title: "Mug, Red".into(), quantity: 2, unit_price };
    let reactions = of_order(OrderEvent::OrderPlaced {
        order: OrderId(ID),
        customer: AccountId(ID),
        seller: AccountId(ID),
        ordered_on: chrono::NaiveDate::MIN,
        lines: vec![line],
        total: usd(2400),
        payment_method: "pm".into(),
        pay_until: at(1800),
    });
    let wanted = WantedLine { product, sku, quantity: 2, unit_price };
    assert_eq!(reactions[0], to_reservation(ReservationAsk::Make { order: OrderId(ID), lines: vec![wanted] }));
    let expired = to_order(OrderAsk::Cancel { reason: CancellationReason::PaymentExpired });
    let about = format!("order/{ID}");
    assert_eq!(reminders(&reactions), [("payment_due", about.as_str(), at(1800), &expired)]);
    assert_eq!(reactions.len(), 2);
}

#[test]
fn what_costs_nothing_is_confirmed_without_a_payment() {
    let reserved = |total| OrderEvent::OrderReserved { customer: AccountId(ID), total, payment_method: "pm".into() };
    assert_eq!(of_order(reserved(usd(0))), [Reaction::Dispatch(to_order(OrderAsk::Confirm))]);
}

#[test]
fn each_deadline_is_set_with_its_stage_and_forgotten_with_the_next() {
    let confirmed = of_order(OrderEvent::OrderConfirmed { ship_until: at(9) });
    let late = to_order(OrderAsk::Cancel { reason: CancellationReason::NotShipped });
    let about = format!("order/{ID}");
    assert_eq!(reminders(&confirmed), [("shipment_due", about.as_str(), at(9), &late)]);
    assert_eq!(forgotten(&confirmed), ["payment_due"]);

    let shipment = ShipmentId(ID);
    let shipped =
        of_order(OrderEvent::OrderShipped { shipment, lines: vec![], tracking: None, whole: false, total: usd(1) });
    assert_eq!(forgotten(&shipped), ["shipment_due"]);
    assert!(shipped.contains(&to_reservation(ReservationAsk::Commit)));

    let delivered = of_order(OrderEvent::OrderDelivered { complete_at: at(10) });
    assert_eq!(reminders(&delivered), [("completion", about.as_str(), at(10), &to_order(OrderAsk::Complete))]);
    let completed = OrderEvent::OrderCompleted {
        customer: AccountId(ID),
        ordered_on: chrono::NaiveDate::MIN,
        units: 1,
        total: usd(1),
    };
    assert_eq!(forgotten(&of_order(completed)), ["completion"]);
}

#[test]
fn a_cancelled_order_gives_back_what_it_had() {
    for stage in [CancelledStage::Placed, CancelledStage::Reserved, CancelledStage::Confirmed] {
        let reason = CancellationReason::ByCustomer;
        let reactions = of_order(OrderEvent::OrderCancelled { reason, stage, total: usd(1) });
        assert_eq!(forgotten(&reactions), ["payment_due", "shipment_due"]);
        assert!(reactions.contains(&to_reservation(ReservationAsk::Release)));
    }
}

#[test]
fn an_order_hears_whether_its_pieces_are_kept() {
    let react = |happened: ReservationEvent| (order_fulfilment::POLICY.react)(&recorded(&ID.to_string(), happened));
    let (reservation, order) = (ReservationId(ID), OrderId(ID));
    let made = ReservationEvent::ReservationMade { reservation, order, lines: vec![], until: at(1) };
    assert_eq!(react(made), [Reaction::Dispatch(to_order(OrderAsk::Reserve))]);
    for (why, told) in [
        (DeclineReason::NotEnough, CancellationReason::OutOfStock),
        (DeclineReason::NotForSale, CancellationReason::OfferChanged),
        (DeclineReason::PriceChanged, CancellationReason::OfferChanged),
    ] {
        let declined = ReservationEvent::ReservationDeclined { reservation, order, reason: why, lines: vec![] };
        assert_eq!(react(declined), [Reaction::Dispatch(to_order(OrderAsk::Cancel { reason: told }))]);
    }
    for settled in [ReservationEvent::ReservationReleased {}, ReservationEvent::ReservationCommitted {}] {
        assert_eq!(react(settled), []);
    }
}

#[test]
fn an_import_triggers_nothing() {
    let imported = OrderEvent::OrderImported {
        order: OrderId(ID),
        customer: AccountId(ID),
        ordered_on: chrono::NaiveDate::MIN,
        units: 1,
        total: usd(1),
    };
    for policy in POLICIES {
        assert_eq!((policy.react)(&recorded(&ID.to_string(), imported.clone())), [], "{}", policy.name);
    }
}

#[test]
fn pieces_are_kept_until_their_time_and_no_longer() {
    let (reservation, quantity) = (ReservationId(ID), 1);
    let kept = of_stock(StockEvent::StockReserved { reservation, quantity, until: at(5) });
    let (product, sku) = (ProductId(ID), "RED".parse().unwrap());
    let lapse = Dispatch::Stock { product, sku, ask: StockAsk::Lapse { reservation } };
    let about = format!("stock/{ID}/RED/{ID}");
    assert_eq!(reminders(&kept), [("lapse", about.as_str(), at(5), &lapse)]);
    for settled in
        [StockEvent::StockReleased { reservation, quantity }, StockEvent::StockCommitted { reservation, quantity }]
    {
        assert_eq!(of_stock(settled), [Reaction::Forget { timer: "lapse", about: about.clone() }]);
    }
}

#[test]
fn what_is_not_of_this_program_is_left_alone() {
    let confirmed = OrderEvent::OrderConfirmed { ship_until: at(9) };
    assert_eq!((order_fulfilment::POLICY.react)(&recorded("7", confirmed)), []);
    let reserved = StockEvent::StockReserved { reservation: ReservationId(ID), quantity: 1, until: at(5) };
    assert_eq!((reservation_expiry::POLICY.react)(&recorded("no variant", reserved)), []);
}

/// What is stored until it is answered is read by later versions of the program: its form stays.
#[test]
fn a_dispatch_keeps_its_form() {
    let unit_price = usd(1200);
    let line = WantedLine { product: ProductId(ID), sku: "RED".parse().unwrap(), quantity: 2, unit_price };
    let all = [
        (to_order(OrderAsk::Reserve), r#"{"order":{"order":"ID","ask":"reserve"}}"#),
        (
            to_order(OrderAsk::Cancel { reason: CancellationReason::OutOfStock }),
            r#"{"order":{"order":"ID","ask":{"cancel":{"reason":"out_of_stock"}}}}"#,
        ),
        (
            Dispatch::Reservation {
                reservation: ReservationId(ID),
                ask: ReservationAsk::Make { order: OrderId(ID), lines: vec![line] },
            },
            concat!(
                r#"{"reservation":{"reservation":"ID","ask":{"make":{"order":"ID","lines":[{"product":"ID","#,
                r#""sku":"RED","quantity":2,"unit_price":{"amount_minor":1200,"currency":"USD"}}]}}}}"#
            ),
        ),
        (
            Dispatch::Stock {
                product: ProductId(ID),
                sku: "RED".parse().unwrap(),
                ask: StockAsk::Lapse { reservation: ReservationId(ID) },
            },
            r#"{"stock":{"product":"ID","sku":"RED","ask":{"lapse":{"reservation":"ID"}}}}"#,
        ),
    ];
    for (dispatch, form) in all {
        let form = form.replace("ID", &ID.to_string());
        assert_eq!(serde_json::to_string(&dispatch).unwrap(), form);
        assert_eq!(serde_json::from_str::<Dispatch>(&form).unwrap(), dispatch);
    }
}
