//! Postgres goes away, comes back, or comes back as another one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use envelope::Position;
use event_store::{AppenderState, Refused, Store, StoreConfig, StoreError};
use futures::future::join_all;

use super::jar::{Jar, drop_coin};
use super::{Fixture, ask, config, key, verified};

const KILL_OTHERS: &str = "select pg_terminate_backend(pid) from pg_stat_activity
                            where datname = current_database() and pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_lose_nothing_and_double_nothing() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let auditor = fixture.auditor().await;
    let clients = (0..16).map(|client| {
        let jars = jars.clone();
        async move {
            let mut acknowledged = Vec::new();
            for n in 0..60 {
                // A repeat with the same key finds out what became of the first.
                let done = loop {
                    let ask = ask().with_key(key(&format!("{client} {n}"), 1));
                    match jars.execute(&format!("jar {}", n % 7), drop_coin(), ask).await {
                        Ok(done) => break done,
                        Err(Refused::Unavailable { .. } | Refused::Overloaded) => {}
                        Err(error) => panic!("{error}"),
                    }
                };
                acknowledged.extend(done.events);
            }
            acknowledged
        }
    });
    let killer = async {
        for _ in 0..15 {
            let next = fixture.store.head().borrow().get() + 40;
            let moved = || async { fixture.store.head().borrow().get() >= next.min(900) };
            tests::until("commands go on", tests::ETA_MAX, moved).await;
            let _ = sqlx::query(KILL_OTHERS).execute(&auditor).await;
        }
    };
    let (acknowledged, ()) = futures::join!(join_all(clients), killer);
    let acknowledged: BTreeSet<_> = acknowledged.concat().into_iter().collect();
    assert_eq!(acknowledged.len(), 960);
    // By connections that nobody has killed yet.
    let store = fixture.another().await;
    let events = store.reader().after(Position::ZERO, 2_000).await.expect("the server answers");
    assert_eq!(events.iter().map(|event| event.event_id).collect::<BTreeSet<_>>(), acknowledged);
    assert_eq!(events.len(), 960);
    verified(&store).await;
}

#[tokio::test]
async fn a_store_that_lost_its_newest_events_takes_no_more() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    for n in 0..5 {
        jars.execute(&format!("jar {n}"), drop_coin(), ask()).await.expect("it is accepted");
    }
    let auditor = fixture.auditor().await;
    sqlx::raw_sql("alter table events disable trigger all; delete from events where position > 3")
        .execute(&auditor)
        .await
        .expect("an operator can do anything");
    let _ = sqlx::query(KILL_OTHERS).execute(&auditor).await;
    let refused = jars.execute("jar 9", drop_coin(), ask()).await.expect_err("the store is not what it was");
    assert!(matches!(refused, Refused::Unavailable { .. }), "{refused}");
    let state = fixture.store.start_appender().await.expect("it was started").borrow().clone();
    assert!(matches!(state, AppenderState::HistoryLost(_)), "{state:?}");
    let refused = jars.execute("jar 9", drop_coin(), ask()).await.expect_err("nothing is appended any more");
    assert!(matches!(refused, Refused::Broken(StoreError::HistoryLost { .. })), "{refused:?}");
    let left: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(&auditor).await.expect("it answers");
    assert_eq!(left, 3);
}

#[tokio::test]
async fn nobody_waits_beyond_the_time_out_for_a_server_that_hangs() {
    let fixture = Fixture::new().await;
    let timeout = Duration::from_secs(2);
    let config = StoreConfig { command_timeout: timeout, ..config(&fixture.database) };
    let store = Store::open(config.clone()).await.expect("it was migrated");
    let jars = store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask()).await.expect("it is open");
    let fresh = Store::open(config).await.expect("it was migrated").commands::<Jar>((), vec![]);
    let auditor = fixture.auditor().await;
    let mut hangs = auditor.begin().await.expect("the server answers");
    sqlx::raw_sql("lock table events").execute(&mut *hangs).await.expect("nobody uses it");
    // One appender is writing a batch, the other one cannot even start.
    for (jars, was_sent) in [(&jars, true), (&fresh, false)] {
        let asked = Instant::now();
        let refused = jars.execute("a", drop_coin(), ask()).await.expect_err("nothing can be written");
        let waited = asked.elapsed();
        assert!(matches!(refused, Refused::Unavailable { sent } if sent == was_sent), "{refused:?}");
        assert!(waited < timeout + Duration::from_millis(900), "{waited:?}");
    }
    hangs.rollback().await.expect("the server answers");
    fresh.execute("a", drop_coin(), ask()).await.expect("everything resumes by itself");
}

#[tokio::test]
async fn an_aggregate_that_cannot_be_read_refuses_its_commands_alone() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("damaged", drop_coin(), ask()).await.expect("it is open");
    sqlx::raw_sql("alter table events disable trigger all; update events set payload = '{\"coins\": \"many\"}'")
        .execute(&fixture.auditor().await)
        .await
        .expect("an operator can do anything");
    let there = fixture.another().await.commands::<Jar>((), vec![]);
    let answers = join_all((0..40).map(|n| {
        let (there, damaged) = (there.clone(), n % 2 == 0);
        let id = if damaged { "damaged".to_owned() } else { format!("jar {n}") };
        async move { (damaged, there.execute(&id, drop_coin(), ask()).await) }
    }))
    .await;
    for (damaged, answer) in answers {
        let refused = matches!(answer, Err(Refused::Broken(StoreError::Decode { .. })));
        assert_eq!((refused, answer.is_ok()), (damaged, !damaged), "{answer:?}");
    }
}
