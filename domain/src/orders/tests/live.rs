//! An order that is placed here: every row, and what holds for any sequence of commands and events.

use event_schemas::Sku;
use event_schemas::ids::{ProductId, ShipmentId};
use event_schemas::orders::{CancellationReason as Why, CancelledStage, OrderLine, ShippedLine};

use super::*;
use crate::orders::{
    COMPLETE_DAYS, LINES_MAX, Order, PAY_MINUTES, Placing, SHIP_DAYS, SHIPMENTS_MAX, Shipping, Stage, summed,
};

const ORDER: OrderId = OrderId(Uuid::from_u128(1));
const DAY: i64 = 24 * 60;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_micros(1_767_225_600_000_000 + minutes * 60_000_000).unwrap()
}

fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

fn line(name: &str, quantity: i64, price: i64) -> OrderLine {
    let (product, unit_price) = (ProductId(Uuid::from_u128(3)), money(price));
    OrderLine { product, sku: sku(name), title: format!("Mug, {name}"), quantity, unit_price }
}

fn sent(name: &str, quantity: i64) -> ShippedLine {
    ShippedLine { product: ProductId(Uuid::from_u128(3)), sku: sku(name), quantity }
}

fn placing(lines: Vec<OrderLine>) -> Placing {
    let (customer, seller) = (AccountId(Uuid::from_u128(2)), AccountId(Uuid::from_u128(5)));
    Placing { order: ORDER, customer, seller, lines, payment_method: "pm_sim_ok".into(), at: at(0) }
}

fn place(lines: Vec<OrderLine>) -> OrderCommand {
    OrderCommand::Place(Box::new(placing(lines)))
}

fn ship(number: u128, lines: Vec<ShippedLine>) -> OrderCommand {
    let shipment = ShipmentId(Uuid::from_u128(number));
    OrderCommand::Ship(Box::new(Shipping { shipment, lines, tracking: None }))
}

fn cancel(reason: Why) -> OrderCommand {
    OrderCommand::Cancel { reason }
}

const ALL_REASONS: [Why; 7] = [
    Why::ByCustomer,
    Why::BySeller,
    Why::OutOfStock,
    Why::OfferChanged,
    Why::PaymentFailed,
    Why::PaymentExpired,
    Why::NotShipped,
];

/// Red and blue mugs.
fn mugs() -> Vec<OrderLine> {
    vec![line("BLUE", 1, 1200), line("RED", 2, 1200)]
}

/// An order that has come so far.
fn came_to(stage: Stage) -> Order {
    let mut order = Order::default();
    let steps = [
        (Stage::Placed, place(mugs())),
        (Stage::Reserved, OrderCommand::Reserve),
        (Stage::Confirmed, OrderCommand::Confirm { at: at(1) }),
        (Stage::Shipped, ship(1, vec![])),
        (Stage::Delivered, OrderCommand::Deliver { at: at(2) }),
        (Stage::Completed, OrderCommand::Complete),
    ];
    if stage == Stage::Cancelled {
        carry_out(&mut order, place(mugs())).unwrap();
        carry_out(&mut order, cancel(Why::ByCustomer)).unwrap();
    }
    for (_, command) in steps.into_iter().filter(|(at, _)| *at <= stage && stage != Stage::Cancelled) {
        assert_eq!(carry_out(&mut order, command).unwrap().len(), 1);
    }
    assert_eq!(order.live().unwrap().stage, stage);
    order
}

const ALL_STAGES: [Stage; 7] = [
    Stage::Placed,
    Stage::Reserved,
    Stage::Confirmed,
    Stage::Shipped,
    Stage::Delivered,
    Stage::Completed,
    Stage::Cancelled,
];

#[test]
fn lines_of_a_variant_are_summed_and_put_in_order() {
    let events =
        Order::default().decide(place(vec![line("RED", 1, 1200), line("BLUE", 1, 1200), line("RED", 1, 1200)]));
    let Ok([OrderEvent::OrderPlaced { lines, total, ordered_on, pay_until, .. }]) = events.as_deref() else {
        panic!("{events:?}")
    };
    assert_eq!((lines, *total), (&mugs(), money(3600)));
    assert_eq!((*ordered_on, *pay_until), (at(0).utc().date_naive(), at(PAY_MINUTES)));
}

#[test]
fn what_cannot_be_ordered_is_refused() {
    let in_euros = OrderLine { unit_price: Money { currency: "EUR".parse().unwrap(), ..money(1) }, ..line("B", 1, 1) };
    let too_many = (0..=LINES_MAX).map(|number| line(&format!("S{number}"), 1, 1)).collect();
    for (lines, why) in [
        (vec![], OrderError::BadLines),
        (too_many, OrderError::BadLines),
        (vec![line("RED", 1, 1), line("RED", 1, 2)], OrderError::BadLines),
        (vec![line("RED", 0, 1)], OrderError::BadQuantity),
        (vec![line("RED", -1, 1)], OrderError::BadQuantity),
        (vec![line("RED", i64::MAX, 1)], OrderError::BadQuantity),
        (vec![line("RED", 600_000, 1), line("BLUE", 600_000, 1)], OrderError::BadUnits),
        (vec![line("RED", 1, 1), in_euros], OrderError::SeveralCurrencies),
        (vec![line("RED", 1, TOTAL_MINOR_MAX + 1)], OrderError::BadTotal),
        (vec![line("RED", 2, i64::MAX)], OrderError::BadTotal),
        (vec![line("RED", 1, -1)], OrderError::BadTotal),
    ] {
        assert_eq!(Order::default().decide(place(lines)), Err(why));
    }
    for method in ["", "4242 4242 4242 4242", "ä", &"x".repeat(65)] {
        let placing = Placing { payment_method: method.to_owned(), ..placing(mugs()) };
        let refused = Order::default().decide(OrderCommand::Place(Box::new(placing)));
        assert_eq!(refused, Err(OrderError::BadPaymentMethod), "{method}");
    }
}

#[test]
fn placing_it_again_adds_nothing_however_far_it_has_come_and_other_content_is_refused() {
    for stage in ALL_STAGES {
        let order = came_to(stage);
        let later = Placing { at: at(9), ..placing(mugs()) };
        assert_eq!(order.decide(OrderCommand::Place(Box::new(later))), Ok(vec![]));
        assert_eq!(order.decide(place(vec![line("RED", 1, 1200)])), Err(OrderError::AlreadyExists));
        assert_eq!(order.decide(import()), Err(OrderError::AlreadyExists));
    }
    given(vec![imported(import())]).when(place(mugs())).then_expect_error(OrderError::AlreadyExists);
}

#[test]
fn each_step_follows_on_the_one_before_and_a_late_one_changes_nothing() {
    for stage in ALL_STAGES {
        let order = came_to(stage);
        let reserve = order.decide(OrderCommand::Reserve).unwrap();
        assert_eq!(reserve.len(), usize::from(stage == Stage::Placed), "{stage:?}");
        let confirm = order.decide(OrderCommand::Confirm { at: at(0) }).unwrap();
        let confirmed = OrderEvent::OrderConfirmed { ship_until: at(SHIP_DAYS * DAY) };
        assert_eq!(confirm, if stage == Stage::Reserved { vec![confirmed] } else { vec![] });
        let delivered = OrderEvent::OrderDelivered { complete_at: at(COMPLETE_DAYS * DAY) };
        let deliver = match stage {
            Stage::Shipped => Ok(vec![delivered]),
            Stage::Delivered | Stage::Completed => Ok(vec![]),
            Stage::Placed | Stage::Reserved => Err(OrderError::NotConfirmed),
            Stage::Confirmed => Err(OrderError::NotShipped),
            Stage::Cancelled => Err(OrderError::Cancelled),
        };
        assert_eq!(order.decide(OrderCommand::Deliver { at: at(0) }), deliver);
        let complete = order.decide(OrderCommand::Complete).map(|events| events.len());
        let due = match stage {
            Stage::Delivered => Ok(1),
            Stage::Completed => Ok(0),
            Stage::Cancelled => Err(OrderError::Cancelled),
            Stage::Placed | Stage::Reserved | Stage::Confirmed | Stage::Shipped => Err(OrderError::NotDelivered),
        };
        assert_eq!(complete, due);
    }
}

#[test]
fn who_may_cancel_depends_on_how_far_it_has_come() {
    for stage in ALL_STAGES {
        for reason in ALL_REASONS {
            let asked = came_to(stage).decide(cancel(reason));
            let (person, told) = (matches!(reason, Why::ByCustomer | Why::BySeller), asked.clone());
            let cancelled = |stage| Ok(vec![OrderEvent::OrderCancelled { reason, stage, total: money(3600) }]);
            let due = match (stage, reason) {
                (Stage::Placed, Why::NotShipped)
                | (Stage::Reserved, Why::OutOfStock | Why::OfferChanged | Why::NotShipped)
                | (Stage::Confirmed, Why::OutOfStock | Why::OfferChanged | Why::PaymentFailed | Why::PaymentExpired)
                | (Stage::Cancelled, _) => Ok(vec![]),
                (Stage::Placed, _) => cancelled(CancelledStage::Placed),
                (Stage::Reserved, _) => cancelled(CancelledStage::Reserved),
                (Stage::Confirmed, _) => cancelled(CancelledStage::Confirmed),
                (Stage::Shipped | Stage::Delivered | Stage::Completed, _) if person => Err(OrderError::AlreadyShipped),
                (Stage::Shipped | Stage::Delivered | Stage::Completed, _) => Ok(vec![]),
            };
            assert_eq!(told, due, "{stage:?} {reason:?}");
        }
    }
}

#[test]
fn an_order_is_sent_in_parts_and_never_more_than_was_ordered() {
    let mut order = came_to(Stage::Confirmed);
    assert_eq!(order.decide(ship(1, vec![sent("RED", 3)])), Err(OrderError::NotThatMany));
    assert_eq!(order.decide(ship(1, vec![sent("GREEN", 1)])), Err(OrderError::NotThatMany));
    assert_eq!(order.decide(ship(1, vec![sent("RED", 0)])), Err(OrderError::BadQuantity));
    let part = carry_out(&mut order, ship(1, vec![sent("RED", 1)])).unwrap();
    assert!(matches!(part[..], [OrderEvent::OrderShipped { whole: false, .. }]));
    assert_eq!(carry_out(&mut order, ship(1, vec![sent("RED", 1)])), Ok(vec![]), "it acts once");
    assert_eq!(order.decide(ship(1, vec![sent("RED", 2)])), Err(OrderError::ShipmentExists));
    assert_eq!(order.decide(ship(2, vec![sent("RED", 1), sent("RED", 1)])), Err(OrderError::NotThatMany));
    assert_eq!(order.decide(OrderCommand::Deliver { at: at(0) }), Err(OrderError::NotShipped));
    assert_eq!(order.decide(cancel(Why::ByCustomer)), Err(OrderError::AlreadyShipped));
    assert_eq!(order.decide(cancel(Why::NotShipped)), Ok(vec![]));
    let rest = carry_out(&mut order, ship(2, vec![])).unwrap();
    let Some(OrderEvent::OrderShipped { lines, whole: true, .. }) = rest.first() else { panic!("{rest:?}") };
    assert_eq!(lines, &[sent("BLUE", 1), sent("RED", 1)]);
    assert_eq!(order.decide(ship(3, vec![])), Err(OrderError::NothingLeft));
    assert_eq!(order.decide(ship(2, vec![])), Ok(vec![]));
}

#[test]
fn nothing_is_sent_that_is_not_paid_or_has_a_name_of_no_form() {
    for (stage, why) in [
        (Stage::Placed, OrderError::NotConfirmed),
        (Stage::Reserved, OrderError::NotConfirmed),
        (Stage::Cancelled, OrderError::Cancelled),
    ] {
        assert_eq!(came_to(stage).decide(ship(1, vec![])), Err(why));
    }
    for name in ["", "  ", "a\nb", &"x".repeat(101)] {
        let shipment = ShipmentId(Uuid::from_u128(1));
        let shipping = Shipping { shipment, lines: vec![], tracking: Some(name.to_owned()) };
        let refused = came_to(Stage::Confirmed).decide(OrderCommand::Ship(Box::new(shipping)));
        assert_eq!(refused, Err(OrderError::BadTracking), "{name}");
    }
}

#[test]
fn an_order_is_sent_in_a_bounded_number_of_parcels() {
    let mut order = Order::default();
    let lines = vec![line("RED", 1_000, 1)];
    for command in [place(lines), OrderCommand::Reserve, OrderCommand::Confirm { at: at(1) }] {
        carry_out(&mut order, command).unwrap();
    }
    for number in 0..SHIPMENTS_MAX as u128 {
        carry_out(&mut order, ship(number, vec![sent("RED", 1)])).unwrap();
    }
    assert_eq!(order.decide(ship(999, vec![])), Err(OrderError::TooManyShipments));
}

#[test]
fn nothing_can_be_asked_of_what_was_never_ordered_or_is_only_known() {
    let all = || {
        [
            OrderCommand::Reserve,
            OrderCommand::Confirm { at: at(0) },
            ship(1, vec![]),
            OrderCommand::Deliver { at: at(0) },
            OrderCommand::Complete,
            cancel(Why::ByCustomer),
        ]
    };
    for command in all() {
        assert_eq!(Order::default().decide(command), Err(OrderError::NotFound));
    }
    for command in all() {
        given(vec![imported(import())]).when(command).then_expect_error(OrderError::Imported);
    }
}

#[test]
fn the_golden_stream_of_a_live_order_still_folds_to_the_same_state() {
    let order = came_to(Stage::Completed);
    let stored = serde_json::to_string(&order).unwrap();
    assert_eq!(
        stored,
        concat!(
            r#"{"Live":{"customer":"00000000-0000-0000-0000-000000000002","#,
            r#""seller":"00000000-0000-0000-0000-000000000005","ordered_on":"2026-01-01","lines":["#,
            r#"{"product":"00000000-0000-0000-0000-000000000003","sku":"BLUE","title":"Mug, BLUE","quantity":1,"#,
            r#""unit_price":{"amount_minor":1200,"currency":"USD"}},"#,
            r#"{"product":"00000000-0000-0000-0000-000000000003","sku":"RED","title":"Mug, RED","quantity":2,"#,
            r#""unit_price":{"amount_minor":1200,"currency":"USD"}}],"total":{"amount_minor":3600,"currency":"USD"},"#,
            r#""payment_method":"pm_sim_ok","stage":"Completed","shipments":{"#,
            r#""00000000-0000-0000-0000-000000000001":{"lines":["#,
            r#"{"product":"00000000-0000-0000-0000-000000000003","sku":"BLUE","quantity":1},"#,
            r#"{"product":"00000000-0000-0000-0000-000000000003","sku":"RED","quantity":2}],"tracking":null}}}}"#
        )
    );
}

fn commands() -> impl Strategy<Value = OrderCommand> {
    let lines = prop::collection::vec((0usize..2, 0i64..4), 0..3);
    let named = |(which, quantity): (usize, i64)| (["RED", "BLUE"][which], quantity);
    let wanted = lines.prop_map(move |all| all.into_iter().map(named).collect::<Vec<_>>());
    let reason = (0usize..ALL_REASONS.len()).prop_map(|index| ALL_REASONS[index]);
    prop_oneof![
        2 => Just(place(mugs())),
        1 => wanted.clone().prop_map(|all| place(all.into_iter().map(|(name, n)| line(name, n, 1200)).collect())),
        2 => Just(OrderCommand::Reserve),
        2 => Just(OrderCommand::Confirm { at: at(1) }),
        3 => (0u128..3, wanted).prop_map(|(number, all)| {
            ship(number, all.into_iter().map(|(name, n)| sent(name, n)).collect())
        }),
        2 => Just(OrderCommand::Deliver { at: at(2) }),
        1 => Just(OrderCommand::Complete),
        1 => reason.prop_map(cancel),
        1 => Just(import()),
    ]
}

proptest! {
    #[test]
    fn any_command_twice_adds_nothing_the_second_time(
        before in prop::collection::vec(commands(), 0..12),
        command in commands(),
    ) {
        a_repeat_adds_nothing::<Order>(before, command)?;
    }

    #[test]
    fn never_is_more_sent_than_was_ordered_and_the_sums_agree(all in prop::collection::vec(commands(), 0..40)) {
        let mut order = Order::default();
        let happened: Vec<_> =
            all.into_iter().filter_map(|command| carry_out(&mut order, command).ok()).flatten().collect();
        let Some(live) = order.live() else { return Ok(()) };
        for line in &live.lines {
            let of = |sent: &&ShippedLine| sent.sku == line.sku;
            let sent: i64 =
                live.shipments.values().flat_map(|one| &one.lines).filter(of).map(|sent| sent.quantity).sum();
            prop_assert!(sent <= line.quantity);
            let left = live.left().iter().filter(of).map(|left| left.quantity).sum::<i64>();
            prop_assert_eq!(sent + left, line.quantity);
        }
        let whole = happened.iter().any(|event| matches!(event, OrderEvent::OrderShipped { whole: true, .. }));
        prop_assert_eq!(whole, matches!(live.stage, Stage::Shipped | Stage::Delivered | Stage::Completed));
        let cost: i64 = live.lines.iter().map(|line| line.quantity * line.unit_price.amount_minor).sum();
        prop_assert_eq!(live.total, money(cost));
        prop_assert_eq!(summed(live.lines.clone()), Ok(live.lines.clone()));
    }

    #[test]
    fn evolve_takes_any_event_in_any_order(
        all in prop::collection::vec(commands(), 0..20),
        shuffled in prop::collection::vec(0usize..64, 0..20),
    ) {
        let mut order = Order::default();
        let happened: Vec<_> =
            all.into_iter().filter_map(|command| carry_out(&mut order, command).ok()).flatten().collect();
        let picked = shuffled.into_iter().filter_map(|index| happened.get(index % happened.len().max(1)).cloned());
        any_event_is_taken_and_stored::<Order>(picked)?;
    }
}
