//! Each method token of the simulator, driven to its end with the step that is used for real providers.

use domain::payments::{OperationState, PaymentCommand};
use event_schemas::Context;
use event_schemas::ids::OperationId;
use event_schemas::payments::OperationKind::{self, Authorize, Capture, Refund, Void};
use event_store::{Store, StoreConfig};
use reactors::payments::{Simulator, SimulatorSettings};
use sqlx::PgPool;
use tests::{ETA_MAX, TestDatabase, database, until};

use super::till::Till;
use super::{authorize, operation, payment, usd};

/// A store of payments, and a simulator beside it.
pub(super) struct World {
    pub(super) till: Till<Simulator>,

    pub(super) sql: PgPool,
    _database: TestDatabase,
}

impl World {
    pub(super) async fn new(late_ms: u32) -> Self {
        let database = database().await;
        let store = Store::open(StoreConfig::new(Context::Payments.name(), database.url())).await.unwrap();
        let sql = PgPool::connect(database.url()).await.unwrap();
        let settings = SimulatorSettings { late_ms, ..SimulatorSettings::default() };
        let till = Till::new(Simulator::new(sql.clone(), settings), &store);
        Self { till, sql, _database: database }
    }

    /// How often money moved for an operation.
    pub(super) async fn movements(&self, operation: OperationId) -> i64 {
        let count = "select count(*) from sim_payments.journal where operation = $1";
        sqlx::query_scalar(count).bind(operation.0).fetch_one(&self.sql).await.unwrap()
    }

    async fn state_of(&self, number: u128) -> OperationState {
        let state = self.till.state(payment(number / 10)).await;
        state.opened().unwrap().operations[&operation(number)].state.clone()
    }

    /// It succeeded, and money moved once.
    async fn succeeded(&self, number: u128) {
        let state = self.state_of(number).await;
        assert!(matches!(state, OperationState::Succeeded { reference: Some(_) }), "{number}: {state:?}");
        assert_eq!(self.movements(operation(number)).await, 1, "{number}");
    }

    /// It failed, and no money moved.
    async fn failed(&self, number: u128) {
        assert_eq!(self.state_of(number).await, OperationState::Failed, "{number}");
        assert_eq!(self.movements(operation(number)).await, 0, "{number}");
    }

    /// Which events a payment has.
    async fn happened(&self, number: u128) -> Vec<String> {
        let names = "select event_type from es_payments.events where aggregate_id = $1 order by sequence";
        sqlx::query_scalar(names).bind(payment(number).to_string()).fetch_all(&self.sql).await.unwrap()
    }

    async fn authorized(&mut self, number: u128, method: &str) {
        self.till.accepted(payment(number), authorize(number, method)).await;
        self.till.settle().await;
    }
}

fn capture(number: u128) -> PaymentCommand {
    PaymentCommand::Capture { operation: operation(number), amount: None }
}

fn void(number: u128) -> PaymentCommand {
    PaymentCommand::Void { operation: operation(number) }
}

fn refund(number: u128, minor: i64) -> PaymentCommand {
    PaymentCommand::Refund { operation: operation(number), amount: Some(usd(minor)) }
}

#[tokio::test]
async fn a_good_card_is_authorized_captured_and_refunded_or_voided() {
    let mut world = World::new(0).await;
    world.authorized(1, "pm_sim_ok").await;
    for (number, command) in [(11, capture(11)), (12, refund(12, 300)), (13, refund(13, 700))] {
        world.till.accepted(payment(1), command).await;
        world.till.settle().await;
        world.succeeded(number).await;
    }
    world.authorized(2, "pm_sim_ok").await;
    world.till.accepted(payment(2), void(21)).await;
    world.till.settle().await;
    world.succeeded(21).await;
    for number in [10, 20] {
        world.succeeded(number).await;
    }
    let state = world.till.state(payment(1)).await;
    let done = |kind: OperationKind| state.opened().unwrap().done_minor(kind);
    assert_eq!([Authorize, Capture, Refund, Void].map(done), [1000, 1000, 1000, 0]);
}

#[tokio::test]
async fn a_declined_card_and_an_unknown_one_end_the_payment() {
    let mut world = World::new(0).await;
    for (number, method) in [(1, "pm_sim_declined"), (2, "pm_card_visa")] {
        world.authorized(number, method).await;
        world.failed(10 * number).await;
        assert_eq!(world.till.attempts(operation(10 * number)), 1);
        let said = ["PaymentAuthorizationRequested", "PaymentOperationFailed"];
        assert_eq!(world.happened(number).await, said);
        world.till.accepted(payment(number), void(10 * number + 1)).await;
        assert_eq!(world.happened(number).await, said, "there is nothing to void");
    }
}

#[tokio::test]
async fn a_request_that_was_lost_is_unknown_and_then_made_once() {
    let mut world = World::new(0).await;
    world.till.accepted(payment(1), authorize(1, "pm_sim_timeout_before")).await;
    world.till.turn().await;
    assert_eq!(world.state_of(10).await, OperationState::Unknown);
    assert_eq!(world.movements(operation(10)).await, 0);
    world.till.settle().await;
    world.succeeded(10).await;
    assert_eq!(world.till.attempts(operation(10)), 2, "the provider had never heard of the first");
    for (number, command) in [(11, capture(11)), (12, refund(12, 1))] {
        world.till.accepted(payment(1), command).await;
        world.till.settle().await;
        world.succeeded(number).await;
        assert_eq!(world.till.attempts(operation(number)), 2);
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_looked_up_and_nothing_moves_twice() {
    let mut world = World::new(0).await;
    world.till.accepted(payment(1), authorize(1, "pm_sim_timeout_after")).await;
    world.till.turn().await;
    assert_eq!(world.state_of(10).await, OperationState::Unknown);
    assert_eq!(world.movements(operation(10)).await, 1, "it took effect, and nobody knows");
    world.till.settle().await;
    world.succeeded(10).await;
    assert_eq!(world.till.attempts(operation(10)), 1);
    let said = ["PaymentAuthorizationRequested", "PaymentOperationUnknown", "PaymentAuthorized"];
    assert_eq!(world.happened(1).await, said);
    world.till.accepted(payment(1), void(11)).await;
    world.till.settle().await;
    world.succeeded(11).await;
}

#[tokio::test]
async fn an_authorization_that_comes_late_is_voided_if_nobody_wants_it_any_more() {
    let mut world = World::new(300).await;
    world.till.accepted(payment(1), authorize(1, "pm_sim_late")).await;
    world.till.turn().await;
    assert!(matches!(world.state_of(10).await, OperationState::Pending { reason, .. } if reason == "processing"));
    world.till.accepted(payment(1), void(11)).await;
    until("late operations are through", ETA_MAX, async || world.till.turn().await == 0).await;
    world.succeeded(10).await;
    world.succeeded(11).await;
    let said = [
        "PaymentAuthorizationRequested",
        "PaymentOperationPending",
        "PaymentVoidDeferred",
        "PaymentAuthorized",
        "PaymentVoidRequested",
        "PaymentOperationPending",
        "PaymentVoided",
    ];
    assert_eq!(world.happened(1).await, said);
}

#[tokio::test]
async fn a_void_is_dropped_when_the_card_is_declined_after_all() {
    let mut world = World::new(0).await;
    world.till.accepted(payment(1), authorize(1, "pm_sim_declined")).await;
    world.till.accepted(payment(1), void(11)).await;
    world.till.settle().await;
    let said = ["PaymentAuthorizationRequested", "PaymentVoidDeferred", "PaymentOperationFailed", "PaymentVoidDropped"];
    assert_eq!(world.happened(1).await, said);
    world.failed(10).await;
    assert_eq!(world.movements(operation(11)).await, 0);
}

#[tokio::test]
async fn a_payer_is_waited_for() {
    use reactors::payments::Confirmation::{Confirmed, NotAwaited, NotFound};
    let mut world = World::new(0).await;
    world.till.accepted(payment(1), authorize(1, "pm_sim_action_required")).await;
    for _ in 0..3 {
        assert_eq!(world.till.turn().await, 1);
    }
    let place = format!("http://127.0.0.1:8420/v1/payments/{}/operations/{}/confirm", payment(1), operation(10));
    let waits = OperationState::Pending { reason: "action_required".into(), action_url: Some(place) };
    assert_eq!(world.state_of(10).await, waits);
    let simulator = world.till.provider.clone();
    assert_eq!(simulator.confirm(payment(2), operation(10)).await.unwrap(), NotFound, "of another payment");
    assert_eq!(simulator.confirm(payment(1), operation(11)).await.unwrap(), NotFound);
    for _ in 0..2 {
        assert_eq!(simulator.confirm(payment(1), operation(10)).await.unwrap(), Confirmed);
    }
    world.till.settle().await;
    world.succeeded(10).await;
    world.till.accepted(payment(1), capture(11)).await;
    world.till.settle().await;
    world.succeeded(11).await;
    assert_eq!(simulator.confirm(payment(1), operation(11)).await.unwrap(), NotAwaited);
}

#[tokio::test]
async fn a_capture_that_is_declined_leaves_the_promise() {
    let mut world = World::new(0).await;
    world.authorized(1, "pm_sim_capture_declined").await;
    world.till.accepted(payment(1), capture(11)).await;
    world.till.settle().await;
    world.succeeded(10).await;
    world.failed(11).await;
    world.till.accepted(payment(1), void(12)).await;
    world.till.settle().await;
    world.succeeded(12).await;
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_again_and_then_the_authorization_is_given_up() {
    let mut world = World::new(0).await;
    world.authorized(1, "pm_sim_down").await;
    world.failed(10).await;
    assert_eq!(world.till.attempts(operation(10)), reactors::payments::ATTEMPTS_MAX);
}

#[tokio::test]
async fn whoever_is_killed_after_asking_never_moves_money_twice() {
    let mut world = World::new(0).await;
    for (number, method) in [(1, "pm_sim_ok"), (2, "pm_sim_timeout_before"), (3, "pm_sim_timeout_after")] {
        world.till.accepted(payment(number), authorize(number, method)).await;
        world.till.perform_and_die(operation(10 * number)).await;
        world.till.settle().await;
        world.succeeded(10 * number).await;
        let due = if method == "pm_sim_timeout_before" { 2 } else { 1 };
        assert_eq!(world.till.attempts(operation(10 * number)), due, "{method}");
    }
}
