//! The simulated provider as a caller meets it: the same operation is done once, and its books refuse what cannot be.

use event_schemas::payments::OperationKind::{self, Authorize, Capture, Refund, Void};
use reactors::payments::{Answer, NoAnswer, PaymentProvider as _, Request, Simulator, SimulatorSettings};
use sqlx::PgPool;
use tests::{database, empty_database};

use super::tokens::World;
use super::{operation, payment, usd};

fn authorization(number: u128, method: &str) -> Request {
    Request {
        operation: operation(number),
        kind: Authorize,
        payment: payment(1),
        amount: usd(1000),
        method: method.to_owned(),
        authorization: None,
    }
}

/// Something that is asked about an authorization with a good card.
fn about(authorized: u128, number: u128, kind: OperationKind, minor: i64) -> Request {
    let authorization_of = reference(authorized);
    Request { kind, amount: usd(minor), authorization: authorization_of, ..authorization(number, "pm_sim_ok") }
}

fn reference(number: u128) -> Option<String> {
    Some(format!("sim_{}", operation(number).0.simple()))
}

fn done(number: u128) -> Result<Answer, NoAnswer> {
    Ok(Answer::Succeeded { reference: reference(number) })
}

/// The code by which it failed.
#[track_caller]
fn refused(answer: Result<Answer, NoAnswer>) -> String {
    match answer {
        Ok(Answer::Failed { code, .. }) => code,
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn the_same_operation_is_answered_the_same_and_done_once() {
    let world = World::new(0).await;
    let simulator = &world.till.provider;
    let request = authorization(10, "pm_sim_ok");
    assert_eq!(simulator.look_up(request.operation).await, Ok(None));
    for _ in 0..3 {
        assert_eq!(simulator.perform(&request).await, done(10));
        assert_eq!(simulator.look_up(request.operation).await, done(10).map(Some));
    }
    // Another one with the same books, as after a crash of the first.
    let other = Simulator::new(world.sql.clone(), SimulatorSettings::default());
    assert_eq!(other.perform(&request).await, done(10));
    assert_eq!(world.movements(request.operation).await, 1);
    let declined = authorization(11, "pm_sim_declined");
    for _ in 0..2 {
        assert_eq!(refused(simulator.perform(&declined).await), "card_declined");
    }
    assert_eq!(refused(simulator.look_up(declined.operation).await.map(Option::unwrap)), "card_declined");
    let changed = Request { amount: usd(999), ..request };
    assert_eq!(refused(simulator.perform(&changed).await), "idempotency_key_reused");
    assert_eq!(simulator.look_up(changed.operation).await, done(10).map(Some));
}

#[tokio::test]
async fn many_who_ask_at_once_move_money_once() {
    let world = World::new(0).await;
    for (number, method) in [(10, "pm_sim_ok"), (11, "pm_sim_timeout_before"), (12, "pm_sim_timeout_after")] {
        let request = authorization(number, method);
        let all = (0..12).map(|_| world.till.provider.perform(&request));
        let answers = futures::future::join_all(all).await;
        let silent = answers.iter().filter(|answer| **answer == Err(NoAnswer::TimedOut)).count();
        assert_eq!(silent, usize::from(number > 10), "{method}");
        assert!(answers.iter().filter(|answer| **answer == done(number)).count() >= 11, "{method}: {answers:?}");
        assert_eq!(world.movements(request.operation).await, 1, "{method}");
    }
    // No more is captured than was authorized, whoever asks at the same time.
    let captures: Vec<Request> = (20..30).map(|number| about(10, number, Capture, 300)).collect();
    let answers = futures::future::join_all(captures.iter().map(|one| world.till.provider.perform(one))).await;
    let captured = answers.iter().filter(|answer| matches!(answer, Ok(Answer::Succeeded { .. }))).count();
    assert_eq!(captured, 3, "{answers:?}");
}

#[tokio::test]
async fn the_books_refuse_what_cannot_be() {
    let world = World::new(0).await;
    let simulator = &world.till.provider;
    let ask = async |request: Request| simulator.perform(&request).await;
    assert_eq!(refused(ask(about(10, 20, Capture, 1)).await), "no_such_authorization");
    assert_eq!(ask(authorization(10, "pm_sim_ok")).await, done(10));
    assert_eq!(
        refused(ask(Request { payment: payment(2), ..about(10, 21, Capture, 1) }).await),
        "no_such_authorization"
    );
    let euros = event_schemas::Money { amount_minor: 1, currency: "EUR".parse().unwrap() };
    assert_eq!(refused(ask(Request { amount: euros, ..about(10, 22, Capture, 1) }).await), "currency_mismatch");
    assert_eq!(refused(ask(about(10, 23, Capture, 1001)).await), "amount_too_large");
    assert_eq!(refused(ask(about(10, 24, Refund, 1)).await), "amount_too_large");
    assert_eq!(ask(about(10, 25, Capture, 600)).await, done(25));
    assert_eq!(refused(ask(about(10, 26, Capture, 401)).await), "amount_too_large");
    assert_eq!(refused(ask(about(10, 27, Void, 1000)).await), "already_captured");
    assert_eq!(ask(about(10, 28, Refund, 500)).await, done(28));
    assert_eq!(refused(ask(about(10, 29, Refund, 101)).await), "amount_too_large");
    assert_eq!(ask(authorization(30, "pm_sim_ok")).await, done(30));
    assert_eq!(ask(about(30, 31, Void, 1000)).await, done(31));
    assert_eq!(refused(ask(about(30, 32, Capture, 1)).await), "authorization_voided");
    assert_eq!(refused(ask(about(25, 33, Refund, 1)).await), "no_such_authorization", "of a capture");
}

#[tokio::test]
async fn its_tables_are_made_once_whoever_comes_first() {
    let database = empty_database().await;
    let sql = PgPool::connect(database.url()).await.unwrap();
    let all = (0..4).map(|_| Simulator::migrate(&sql));
    for made in futures::future::join_all(all).await {
        made.unwrap();
    }
    let simulator = Simulator::new(sql.clone(), SimulatorSettings::default());
    assert_eq!(simulator.perform(&authorization(1, "pm_sim_ok")).await, done(1));
    Simulator::migrate(&sql).await.unwrap();
    assert_eq!(simulator.look_up(operation(1)).await, done(1).map(Some), "nothing is lost");
    let newer = "insert into sim_payments._sqlx_migrations
                 select version + 1, description, installed_on, success, checksum, execution_time
                   from sim_payments._sqlx_migrations";
    sqlx::query(newer).execute(&sql).await.unwrap();
    let refused = Simulator::migrate(&sql).await.unwrap_err();
    assert!(refused.to_string().contains("a newer version (2)"), "{refused}");
}

#[tokio::test]
async fn without_its_database_it_is_a_provider_that_is_away() {
    let database = database().await;
    let sql = PgPool::connect(database.url()).await.unwrap();
    sql.close().await;
    let simulator = Simulator::new(sql, SimulatorSettings::default());
    assert_eq!(simulator.perform(&authorization(1, "pm_sim_ok")).await, Err(NoAnswer::Unavailable));
    assert_eq!(simulator.look_up(operation(1)).await, Err(NoAnswer::Unavailable));
}
