//! A payment provider in trouble: away for an hour, in whichever way; one whose calls panic; one that says the same
//! twice. Afterwards everything goes on, nothing was done twice, and nobody is stuck.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::orders::{OrderCommand, Shipping, Stage};
use event_schemas::ids::{OperationId, OrderId, ShipmentId};
use event_schemas::orders::CancellationReason;
use event_schemas::payments::OperationKind;
use reactors::payments::{Answer, Effect, NoAnswer, PaymentProvider, Request, Simulator};
use tests::{ETA_MAX, until};

use super::world::World;

/// How the provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    There,
    /// There is no connection.
    Away,
    /// What is sent to it is lost, and nobody says so.
    Silent,
    /// It does what it is asked for, and every answer is lost.
    Unheard,
    /// It does what it is asked for, and the program that asks falls over its answer.
    Poisonous,
}

struct Provider {
    simulator: Simulator,
    is: Mutex<Is>,
    performed: AtomicUsize,
    asked: AtomicUsize,
}

impl Provider {
    fn new(world: &World, is: Is) -> Arc<Self> {
        let (performed, asked) = Default::default();
        Arc::new(Self { simulator: world.provider.clone(), is: Mutex::new(is), performed, asked })
    }

    fn becomes(&self, is: Is) {
        *self.is.lock().unwrap() = is;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What comes back, if anything does.
    fn heard<T>(&self, is: Is, answer: T) -> Result<T, NoAnswer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match is {
            Is::There => Ok(answer),
            Is::Away => Err(NoAnswer::Unavailable),
            Is::Silent | Is::Unheard => Err(NoAnswer::TimedOut),
            Is::Poisonous => panic!("an answer of another form"),
        }
    }
}

#[async_trait]
impl PaymentProvider for Provider {
    async fn perform(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let is = *self.is.lock().unwrap();
        self.performed.fetch_add(1, Ordering::SeqCst);
        let nothing = Answer::Pending { reason: "lost".into(), action_url: None };
        let done = if matches!(is, Is::Away | Is::Silent) { nothing } else { self.simulator.perform(request).await? };
        self.heard(is, done)
    }

    async fn look_up(&self, operation: OperationId) -> Result<Option<Answer>, NoAnswer> {
        let is = *self.is.lock().unwrap();
        let known = self.simulator.look_up(operation).await?;
        self.heard(is, known)
    }
}

/// As if so much time had passed: what is due then is due now.
async fn minutes_pass(world: &World, minutes: i32) {
    for (table, key) in [("effects", "operation"), ("timers", "ctid")] {
        // What somebody is at just now is left to it.
        let sql = format!(
            "update react.{table} set due = due - make_interval(mins => $1)
              where {key} in (select {key} from react.{table} where due is not null for update skip locked)"
        );
        sqlx::query(&sql).bind(minutes).execute(&world.views).await.unwrap();
    }
}

/// What happened to the payment of an order last.
async fn last_event(world: &World, order: OrderId) -> String {
    let sql = "select event_type from es_payments.events where aggregate_id = $1 order by position desc limit 1";
    sqlx::query_scalar(sql).bind(order.to_string()).fetch_one(&world.views).await.unwrap()
}

async fn until_last_event(world: &World, order: OrderId, expected: &[&str]) {
    let what = format!("{order} ends with {expected:?}");
    until(&what, ETA_MAX, async || expected.contains(&last_event(world, order).await.as_str())).await;
}

/// How often money was moved for an order.
async fn moved(world: &World, order: OrderId) -> i64 {
    world.count(&format!("sim_payments.journal where payment = '{order}'")).await
}

/// Nothing is under way any more, nothing waits for a person, and no operation was done twice.
async fn all_is_settled(world: &World) {
    world.until_count("react.effects where due is not null", 0).await;
    world.until_count("react.dispatches", 0).await;
    let twice = "(select operation from sim_payments.journal group by operation having count(*) > 1) as twice";
    assert_eq!(world.count(twice).await, 0);
}

/// For an hour the provider is like this. What waited for its payment ends with one of these events, and its money was
/// moved so often.
async fn an_hour_of(how: Is, ends: &[&str], moves: i64) {
    let world = World::new().await;
    let product = world.sells_for(1200, 10).await;
    let provider = Provider::new(&world, Is::There);
    let running = world.run_with(provider.clone());
    let (sent, given_up) = (world.place(product, 1).await, world.place(product, 1).await);
    for order in [sent, given_up] {
        world.until_stage(order, Stage::Confirmed).await;
    }
    provider.becomes(how);
    let shipping = Shipping { shipment: ShipmentId::new(), lines: vec![], tracking: None };
    world.ask(sent, OrderCommand::Ship(Box::new(shipping))).await;
    world.ask(given_up, OrderCommand::Cancel { reason: CancellationReason::ByCustomer }).await;
    let waits = world.place(product, 1).await;
    world.until_stage(waits, Stage::Reserved).await;
    for _ in 0..12 {
        let before = provider.asked();
        minutes_pass(&world, 5).await;
        until("it is asked again", ETA_MAX, async || provider.asked() > before).await;
    }
    world.until_stage(waits, Stage::Cancelled).await;
    // Whoever orders just before its end is served at its end.
    let last = world.place(product, 1).await;
    world.until_stage(last, Stage::Reserved).await;
    let authorizes = format!("react.effects where operation = '{}'", OperationId::derived(last.0, b"authorize"));
    world.until_count(&authorizes, 1).await;
    assert_eq!(world.stage(sent).await, Some(Stage::Shipped), "the shop went on meanwhile");

    provider.becomes(Is::There);
    until("everything goes on", ETA_MAX, async || {
        minutes_pass(&world, 5).await;
        world.count("react.effects where due is not null").await == 0
    })
    .await;
    world.until_stage(last, Stage::Confirmed).await;
    until_last_event(&world, sent, &["PaymentCaptured"]).await;
    until_last_event(&world, given_up, &["PaymentVoided"]).await;
    until_last_event(&world, waits, ends).await;
    all_is_settled(&world).await;
    let moved = [moved(&world, sent).await, moved(&world, given_up).await, moved(&world, last).await];
    assert_eq!((moved, self::moved(&world, waits).await), ([2, 2, 1], moves), "{how:?}");
    until("the pieces are where they belong", ETA_MAX, async || world.stock(product).await == (9, 1)).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_without_a_provider_delays_and_cancels_and_does_nothing_twice() {
    // Its authorization was surely never taken, so that it is given up.
    an_hour_of(Is::Away, &["PaymentOperationFailed", "PaymentVoidDropped"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_silence_leaves_nobody_stuck() {
    // Its authorization may have arrived, so that it is asked for again until it is known, and then given back.
    an_hour_of(Is::Silent, &["PaymentVoided"], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_lost_answers_moves_nothing_twice() {
    an_hour_of(Is::Unheard, &["PaymentVoided"], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_panics_is_looked_up_and_not_made_again() {
    let world = World::new().await;
    let product = world.sells_for(1200, 10).await;
    let provider = Provider::new(&world, Is::Poisonous);
    let running = world.run_with(provider.clone());
    let order = world.place(product, 1).await;
    // The call and two looks at what came of it.
    until("it is asked three times", ETA_MAX, async || provider.asked() >= 3).await;
    until_last_event(&world, order, &["PaymentOperationUnknown"]).await;
    provider.becomes(Is::There);
    world.until_stage(order, Stage::Confirmed).await;
    all_is_settled(&world).await;
    assert_eq!((provider.performed.load(Ordering::SeqCst), moved(&world, order).await), (1, 1));
    assert_eq!(world.term("payment_provider").await, 1, "whoever leads was not ended by it");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_twice_adds_nothing() {
    let world = World::new().await;
    let product = world.sells_for(1200, 10).await;
    let provider = Provider::new(&world, Is::There);
    let running = world.run_with(provider.clone());
    let order = world.place(product, 1).await;
    world.until_stage(order, Stage::Confirmed).await;
    all_is_settled(&world).await;
    let events = world.count("es_payments.events").await;
    let asked = provider.asked();
    // As if nobody remembered that it was asked and what it said, nor that it was recorded.
    let forgotten = "update react.effects set due = now(), effect = $1::json, recorded = 7";
    let effect = serde_json::to_string(&Effect::new(OperationKind::Authorize)).unwrap();
    sqlx::query(forgotten).bind(effect).execute(&world.views).await.unwrap();
    until("it says so again", ETA_MAX, async || provider.asked() == asked + 1).await;
    all_is_settled(&world).await;
    assert_eq!(world.count("es_payments.events").await, events);
    assert_eq!((world.stage(order).await, moved(&world, order).await), (Some(Stage::Confirmed), 1));
    running.stop().await;
}
