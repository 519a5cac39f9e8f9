//! Postgres goes away, comes back, or comes back as another one.

use std::collections::BTreeSet;

use envelope::Position;
use event_store::{AppenderState, Refused};
use futures::future::join_all;

use super::jar::{Jar, drop_coin};
use super::{Fixture, ask, key, verified};

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
    let state = fixture.store.appender_state();
    assert!(matches!(state, Some(AppenderState::HistoryLost(_))), "{state:?}");
    let left: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(&auditor).await.expect("it answers");
    assert_eq!(left, 3);
}
