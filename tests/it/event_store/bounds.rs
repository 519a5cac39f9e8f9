//! What is bounded: how many commands wait, how long anybody waits for Postgres, what a mistake in a rule breaks, how
//! long answers are kept.

use std::time::{Duration, Instant};

use envelope::Position;
use event_store::{AppenderState, Refused, Store, StoreConfig, StoreError};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tests::{Proxy, TestDatabase};

use super::jar::{Jar, JarCommand, drop_coin};
use super::{Fixture, ask, config, key, verified};

/// Impatient, so that tests need not be patient.
fn through(proxy: &Proxy) -> StoreConfig {
    StoreConfig { command_timeout: Duration::from_millis(1_500), ..StoreConfig::new("jars", proxy.url()) }
}

#[tokio::test]
async fn more_commands_than_may_wait_are_refused_as_overload() {
    let fixture = Fixture::new().await;
    let config =
        StoreConfig { queue_commands_max: 8, command_timeout: Duration::from_secs(60), ..config(&fixture.database) };
    let store = Store::open(config).await.expect("it was migrated");
    let jars = store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask()).await.expect("it is open");
    let overloaded = store.overloaded();
    assert_eq!(*overloaded.borrow(), None);
    let auditor = fixture.auditor().await;
    let mut hangs = auditor.begin().await.expect("the server answers");
    sqlx::raw_sql("lock table events").execute(&mut *hangs).await.expect("nobody uses it");
    let mut asked = FuturesUnordered::new();
    for n in 0..60 {
        // Two of three come with one key, and wait for each other.
        let ask = if n % 3 == 0 { ask() } else { ask().with_key(key("the same", 1)) };
        let jars = jars.clone();
        asked.push(tokio::spawn(async move { jars.execute("a", drop_coin(), ask).await }));
        // The appender takes what it has room for.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    // One is on its way, eight wait to be, eight wait to be looked at.
    for _ in 0..60 - 17 {
        let refused = tokio::time::timeout(tests::ETA_MAX, asked.next()).await.expect("there is no room");
        assert!(matches!(refused, Some(Ok(Err(Refused::Overloaded)))), "{refused:?}");
    }
    assert!(overloaded.borrow().is_some(), "whoever watches over the store hears of it");
    hangs.rollback().await.expect("the server answers");
    let accepted: Vec<_> = asked.collect().await;
    assert!(accepted.iter().all(|answer| matches!(answer, Ok(Ok(_)))), "{accepted:?}");
    verified(&store).await;
}

#[tokio::test]
async fn a_network_that_swallows_batches_is_told_and_survived() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::before(fixture.database.url()).await;
    let store = Store::open(through(&proxy)).await.expect("it was migrated");
    let jars = store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask()).await.expect("it is open");
    let mut state = store.start_appender().await.expect("it was started");
    proxy.swallow();
    let refused = jars.execute("a", drop_coin(), ask().with_key(key("lost", 1))).await.expect_err("nobody answers");
    assert!(matches!(refused, Refused::Unavailable { sent: true }), "{refused:?}");
    let told = state.borrow().clone();
    assert!(matches!(&told, AppenderState::Away(why) if why.contains("not answered")), "{told:?}");
    proxy.mend();
    let serving = state.wait_for(|state| *state == AppenderState::Serving);
    let healed = tokio::time::timeout(tests::ETA_MAX, serving).await.is_ok();
    assert!(healed, "the connection is given up by itself");
    let done = jars.execute("a", drop_coin(), ask().with_key(key("lost", 1))).await.expect("it is decided now");
    assert_eq!(done.version, 2);
    verified(&fixture.store).await;
}

#[tokio::test]
async fn nobody_waits_for_ever_on_a_connection_that_swallows() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::before(fixture.database.url()).await;
    let store = Store::open(through(&proxy)).await.expect("it was migrated");
    let reader = store.reader();
    assert_eq!(reader.head().await.expect("it answers").position, Position::ZERO);
    proxy.swallow();
    let begun = Instant::now();
    let (head, page, appender) = tokio::join!(reader.head(), reader.after(Position::ZERO, 10), store.start_appender());
    assert!(matches!(head, Err(StoreError::Unavailable(_))), "{head:?}");
    assert!(matches!(page, Err(StoreError::Unavailable(_))), "{page:?}");
    assert!(matches!(appender, Err(StoreError::Unavailable(_))), "{appender:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    proxy.mend();
    // What was on those connections is lost, and so are they; others work at once.
    assert_eq!(reader.head().await.expect("it answers").position, Position::ZERO);
    store.commands::<Jar>((), vec![]).execute("a", drop_coin(), ask()).await.expect("it starts now");
}

#[tokio::test]
async fn a_rule_that_panics_refuses_its_command_alone() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask()).await.expect("it is open");
    let (broken, kept) =
        tokio::join!(jars.execute("a", JarCommand::Break, ask()), jars.execute("a", drop_coin(), ask()));
    assert!(matches!(broken, Err(Refused::Broken(StoreError::Panicked))), "{broken:?}");
    assert_eq!(kept.expect("it is open").version, 2);
}

#[tokio::test]
async fn answers_are_kept_for_two_days() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    for n in 0..3 {
        jars.execute("a", drop_coin(), ask().with_key(key(&format!("drop {n}"), 1))).await.expect("it is open");
    }
    let auditor = fixture.auditor().await;
    let age = "update commands set recorded_at = now() - case idempotency_key when 'drop 0' then interval '49 hours'
                                                                              else interval '47 hours' end";
    sqlx::raw_sql(age).execute(&auditor).await.expect("it answers");
    let store = fixture.another().await;
    let _sweeping = store.start_appender().await.expect("it starts");
    tests::until("the oldest is forgotten", tests::ETA_MAX, || async {
        let left = sqlx::query_scalar("select idempotency_key from commands order by 1").fetch_all(&auditor).await;
        let left: Vec<String> = left.expect("it answers");
        left == ["drop 1", "drop 2"]
    })
    .await;
}

#[tokio::test]
async fn several_processes_may_migrate_at_once() {
    let database = tests::empty_database().await;
    let migrate = |database: &TestDatabase| {
        let config = config(database);
        async move { Store::migrate(&config).await }
    };
    let migrated = futures::future::join_all((0..4).map(|_| migrate(&database))).await;
    assert!(migrated.iter().all(Result::is_ok), "{migrated:?}");
}
