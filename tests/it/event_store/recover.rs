//! A store that lost its newest events begins a new history.

use envelope::Position;
use event_store::{AppenderState, Store, StoreError, recover};
use sqlx::PgPool;

use super::jar::{Jar, drop_coin, seal};
use super::{Fixture, ask, config, key, verified};

const KILL_OTHERS: &str = "select pg_terminate_backend(pid) from pg_stat_activity \
                            where datname = current_database() and pid <> pg_backend_pid()";

/// Loses what comes after a position and lets the running appender find out.
async fn lose_after(fixture: &Fixture, auditor: &PgPool, position: i64) {
    let lose = format!(
        "alter table events disable trigger all; delete from events where position > {position}; \
         alter table events enable trigger all"
    );
    sqlx::raw_sql(&lose).execute(auditor).await.expect("an operator can do anything");
    let _ = sqlx::query(KILL_OTHERS).execute(auditor).await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("jar 9", drop_coin(), ask()).await.expect_err("the store is not what it was");
    let state = fixture.store.start_appender().await.expect("it was started").borrow().clone();
    assert!(matches!(state, AppenderState::HistoryLost(_)), "{state:?}");
}

#[tokio::test]
async fn a_new_history_begins_and_commands_go_on() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]).with_snapshots(2, "jar 1");
    for n in 0..6 {
        let ask = ask().with_key(key(&format!("drop {n}"), 1));
        jars.execute("a", drop_coin(), ask).await.expect("it is accepted");
    }
    jars.execute("b", seal(), ask().with_key(key("seal", 1))).await.expect("it is accepted");
    let auditor = fixture.auditor().await;
    sqlx::raw_sql("update relay set checkpoint = 7, last_position = '{7}'")
        .execute(&auditor)
        .await
        .expect("it answers");
    lose_after(&fixture, &auditor, 3).await;

    let recovered = recover::store(&config(&fixture.database)).await.expect("nobody is connected");
    assert_eq!((recovered.before, recovered.head), (fixture.store.history(), Position(3)));
    assert_eq!(recovered.answers_dropped, 4);
    let store = fixture.another().await;
    assert_eq!(store.history(), recovered.history);
    assert_ne!(store.history(), fixture.store.history());
    let relay = store.reader().relay_row().await.expect("it answers").expect("there is a row");
    assert_eq!((relay.history, relay.checkpoint), (recovered.history, Position::ZERO));
    let ahead: i64 = sqlx::query_scalar("select count(*) from snapshots where sequence > 3")
        .fetch_one(&auditor)
        .await
        .expect("it answers");
    assert_eq!(ahead, 0);

    let jars = store.commands::<Jar>((), vec![]).with_snapshots(2, "jar 1");
    let kept = jars.execute("a", drop_coin(), ask().with_key(key("drop 2", 1))).await.expect("it is answered");
    assert_eq!((kept.replayed, kept.version, kept.history), (true, 3, recovered.history));
    let again = jars.execute("a", drop_coin(), ask().with_key(key("drop 3", 1))).await.expect("it is decided again");
    assert_eq!((again.replayed, again.version, again.history), (false, 4, recovered.history));
    let sealed = jars.execute("b", seal(), ask().with_key(key("seal", 1))).await.expect("it is decided again");
    assert_eq!((sealed.replayed, sealed.version), (false, 1));
    assert_eq!(verified(&store).await.head, Position(5));
}

#[tokio::test]
async fn an_answer_whose_position_was_used_again_is_dropped() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask()).await.expect("it is accepted");
    jars.execute("a", drop_coin(), ask().with_key(key("lost", 1))).await.expect("it is accepted");
    let auditor = fixture.auditor().await;
    lose_after(&fixture, &auditor, 1).await;
    // A program that did not know the lost event went on as if nothing had happened.
    let unaware = fixture.another().await;
    unaware.commands::<Jar>((), vec![]).execute("b", drop_coin(), ask()).await.expect("it is accepted");
    drop(unaware);
    let recovered = recover_when_free(&fixture).await;
    assert_eq!((recovered.head, recovered.answers_dropped), (Position(2), 1));
}

#[tokio::test]
async fn it_waits_until_those_who_append_and_relay_have_stopped() {
    let fixture = Fixture::new().await;
    let other = fixture.another().await;
    other.commands::<Jar>((), vec![]).execute("a", drop_coin(), ask()).await.expect("it is accepted");
    let refused = recover::store(&config(&fixture.database)).await.expect_err("an appender is connected");
    assert!(matches!(&refused, StoreError::InUse { by, .. } if by.contains("jars appender")), "{refused}");
    assert_eq!(fixture.store.reader().head().await.expect("it answers").history, fixture.store.history());
    drop(other);
    let first = recover_when_free(&fixture).await;
    let second = recover::store(&config(&fixture.database)).await.expect("it can be repeated");
    assert_eq!((second.before, second.answers_dropped, second.snapshots_dropped), (first.history, 0, 0));
}

#[tokio::test]
async fn a_process_that_opened_the_store_before_appends_nothing_to_the_new_history() {
    let fixture = Fixture::new().await;
    recover::store(&config(&fixture.database)).await.expect("nobody is connected");
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask()).await.expect_err("it knows another history");
    let store = Store::open(config(&fixture.database)).await.expect("it was migrated");
    store.commands::<Jar>((), vec![]).execute("a", drop_coin(), ask()).await.expect("it knows this one");
    assert_eq!(verified(&store).await.head, Position(1));
}

async fn recover_when_free(fixture: &Fixture) -> recover::Recovered {
    let recovered = std::cell::RefCell::new(None);
    let tried = || async {
        let result = recover::store(&config(&fixture.database)).await;
        if let Err(error) = &result {
            assert!(matches!(error, StoreError::InUse { .. }), "{error}");
        }
        *recovered.borrow_mut() = result.ok();
        recovered.borrow().is_some()
    };
    tests::until("the appender lets go", tests::ETA_MAX, tried).await;
    recovered.into_inner().expect("it was recovered")
}
