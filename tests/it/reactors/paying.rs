//! An order and its money: whatever the provider says, loses or delays, and wherever the process is killed meanwhile,
//! payment, order and stock agree in the end, and nothing is charged twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::orders::{OrderCommand, Shipping, Stage};
use event_schemas::ids::{OperationId, OrderId, ProductId, ShipmentId};
use event_schemas::orders::CancellationReason;
use reactors::payments::{Answer, NoAnswer, PaymentProvider, Request, Simulator};
use tests::{ETA_MAX, until};
use tokio::sync::Semaphore;

use super::world::World;

/// Where the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Nowhere,
    /// As it asks the provider, which never hears of it.
    BeforeTheProvider,
    /// As the provider answers, which has done it.
    AfterTheProvider,
}

/// A provider whose first answers are waited for until the process is killed.
struct Stuck {
    simulator: Simulator,
    killed: Killed,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl PaymentProvider for Stuck {
    async fn perform(&self, request: &Request) -> Result<Answer, NoAnswer> {
        if self.killed == Killed::AfterTheProvider {
            _ = self.simulator.perform(request).await;
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }

    async fn look_up(&self, _: OperationId) -> Result<Option<Answer>, NoAnswer> {
        std::future::pending().await
    }
}

/// A method, and what becomes of an order that is paid with it and sent if it can be: its stage, the payment's last
/// event, how often money was moved at the provider, and what is left of ten pieces and reserved of them.
type Cell = (&'static str, Stage, &'static str, i64, (i64, i64));

const CELLS: [Cell; 7] = [
    ("pm_sim_ok", Stage::Shipped, "PaymentCaptured", 2, (9, 0)),
    ("pm_sim_declined", Stage::Cancelled, "PaymentOperationFailed", 0, (10, 0)),
    ("pm_sim_timeout_before", Stage::Shipped, "PaymentCaptured", 2, (9, 0)),
    ("pm_sim_timeout_after", Stage::Shipped, "PaymentCaptured", 2, (9, 0)),
    ("pm_sim_late", Stage::Shipped, "PaymentCaptured", 2, (9, 0)),
    ("pm_sim_action_required", Stage::Shipped, "PaymentCaptured", 2, (9, 0)),
    ("pm_sim_capture_declined", Stage::Shipped, "PaymentOperationFailed", 1, (9, 0)),
];

async fn plays(killed: Killed) {
    let world = World::new().await;
    let mut placed: Vec<(OrderId, ProductId)> = Vec::new();
    for (method, ..) in CELLS {
        let product = world.sells_for(1200, 10).await;
        placed.push((world.place_paying(product, 1, method).await, product));
    }
    if killed != Killed::Nowhere {
        let (simulator, asked) = (world.provider.clone(), Arc::new(AtomicUsize::new(0)));
        let stuck = world.run_with(Arc::new(Stuck { simulator, killed, asked: asked.clone() }));
        until("the provider is asked for all", ETA_MAX, async || asked.load(Ordering::SeqCst) == CELLS.len()).await;
        stuck.kill().await;
    }
    let running = world.run();
    for ((method, stage, ..), (order, _)) in CELLS.iter().zip(&placed) {
        if *method == "pm_sim_action_required" {
            let waits = format!("{} where payload->>'action_url' is not null", last_of("OperationPending", *order));
            until("the payer has to do something", ETA_MAX, async || world.count(&waits).await > 0).await;
            let operation = OperationId::derived(order.0, b"authorize");
            world.provider.confirm(event_schemas::ids::PaymentId(order.0), operation).await.unwrap();
        }
        let paid = if *stage == Stage::Shipped { Stage::Confirmed } else { *stage };
        world.until_stage(*order, paid).await;
        if *stage == Stage::Shipped {
            let shipping = Shipping { shipment: ShipmentId::new(), lines: vec![], tracking: None };
            world.ask(*order, OrderCommand::Ship(Box::new(shipping))).await;
        }
    }
    for ((method, stage, event, moved, stock), (order, product)) in CELLS.iter().zip(&placed) {
        let what = format!("{method} ends with {event}, {killed:?}");
        until(&what, ETA_MAX, async || last_event(&world, *order).await.as_deref() == Some(*event)).await;
        until(&format!("{method}: {stock:?}"), ETA_MAX, async || world.stock(*product).await == *stock).await;
        assert_eq!(world.stage(*order).await, Some(*stage), "{method}, {killed:?}");
        let journal = format!("sim_payments.journal where payment = '{order}'");
        assert_eq!(world.count(&journal).await, *moved, "{method}, {killed:?}");
    }
    world.until_count("react.dispatches", 0).await;
    let twice = "(select operation from sim_payments.journal group by operation having count(*) > 1) as twice";
    assert_eq!(world.count(twice).await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_off_while_the_clock_was_wrong_goes_on() {
    let world = World::new().await;
    let product = world.sells_for(1200, 10).await;
    let running = world.run();
    let order = world.place_paying(product, 1, "pm_sim_late").await;
    let waits = "react.effects where due is not null and effect->>'acknowledged' = 'true'";
    until("the provider is at it", ETA_MAX, async || world.count(waits).await == 1).await;
    let postponed = "update react.effects set due = now() + interval '4 days'";
    sqlx::raw_sql(postponed).execute(&world.views).await.unwrap();
    world.until_stage(order, Stage::Confirmed).await;
    running.stop().await;
}

/// A provider that answers when it is told to.
struct Slow {
    simulator: Simulator,
    asked: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
}

#[async_trait]
impl PaymentProvider for Slow {
    async fn perform(&self, request: &Request) -> Result<Answer, NoAnswer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        _ = self.answers.acquire().await;
        self.simulator.perform(request).await
    }

    async fn look_up(&self, operation: OperationId) -> Result<Option<Answer>, NoAnswer> {
        self.simulator.look_up(operation).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_no_more_records_nothing_of_what_the_provider_says() {
    let world = World::new().await;
    let product = world.sells_for(1200, 10).await;
    let (asked, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let slow = Slow { simulator: world.provider.clone(), asked: asked.clone(), answers: answers.clone() };
    let running = world.run_with(Arc::new(slow));
    let order = world.place(product, 1).await;
    until("the provider is asked", ETA_MAX, async || asked.load(Ordering::SeqCst) == 1).await;
    world.another_led("payment_provider").await;
    answers.add_permits(1_000);
    world.until_stage(order, Stage::Confirmed).await;
    assert_eq!(world.term("payment_provider").await, 3, "the answer was looked up in a term of its own");
    assert_eq!(world.count("sim_payments.journal").await, 1);
    running.stop().await;
}

fn last_of(event: &str, order: OrderId) -> String {
    format!(
        "(select payload from es_payments.events where event_type = 'Payment{event}' and aggregate_id = '{order}') e"
    )
}

/// What happened to the payment of an order last.
async fn last_event(world: &World, order: OrderId) -> Option<String> {
    let sql = "select event_type from es_payments.events where aggregate_id = $1 order by position desc limit 1";
    sqlx::query_scalar(sql).bind(order.to_string()).fetch_optional(&world.views).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_order_and_stock_agree_whatever_the_provider_says() {
    plays(Killed::Nowhere).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_agree_after_a_death_before_the_provider_heard_of_anything() {
    plays(Killed::BeforeTheProvider).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_agree_after_a_death_before_the_provider_was_heard() {
    plays(Killed::AfterTheProvider).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_that_comes_after_the_cancellation_is_given_back() {
    let world = World::new().await;
    let product = world.sells_for(1200, 1).await;
    let running = world.run();
    let order = world.place_paying(product, 1, "pm_sim_late").await;
    world.until_stage(order, Stage::Reserved).await;
    until("the authorization is under way", ETA_MAX, async || last_event(&world, order).await.is_some()).await;
    world.ask(order, OrderCommand::Cancel { reason: CancellationReason::ByCustomer }).await;
    let voided = async || last_event(&world, order).await.as_deref() == Some("PaymentVoided");
    until("the late authorization is voided", ETA_MAX, voided).await;
    until("the piece is free again", ETA_MAX, async || world.stock(product).await == (1, 0)).await;
    // The next one gets it.
    let next = world.place(product, 1).await;
    world.until_stage(next, Stage::Confirmed).await;
    running.stop().await;
}
