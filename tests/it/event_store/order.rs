//! Positions without gaps in commit order, also when many append to one aggregate from several processes.

use envelope::Position;
use event_store::{Commands, Refused};
use futures::future::join_all;

use super::jar::{Jar, JarError, drop_coin, seal};
use super::{Fixture, ask, verified};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_on_many_aggregates_leave_no_gap() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let clients = (0..32).map(|client| {
        let jars = jars.clone();
        async move {
            for n in 0..20 {
                jars.execute(&format!("jar {client} {n}"), drop_coin(), ask()).await.expect("it is accepted");
            }
        }
    });
    join_all(clients).await;
    let report = verified(&fixture.store).await;
    assert_eq!((report.events, report.aggregates, report.head), (640, 640, Position(640)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_success_on_one_hot_aggregate_is_one_event() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    join_all((0..2_000).map(|_| jars.execute("hot", drop_coin(), ask()))).await.into_iter().for_each(|done| {
        done.expect("it is accepted");
    });
    assert_eq!(jars.load("hot").await.expect("it loads").1.coins, 2_000);
    assert_eq!(verified(&fixture.store).await.events, 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_aggregate_lose_and_double_nothing() {
    let fixture = Fixture::new().await;
    let here = fixture.store.commands::<Jar>((), vec![]);
    let there = fixture.another().await.commands::<Jar>((), vec![]);
    let client = |jars: Commands<Jar>| async move {
        let mut versions = Vec::new();
        for _ in 0..150 {
            versions.push(jars.execute("shared", drop_coin(), ask()).await.expect("it is accepted").version);
        }
        versions
    };
    let clients = (0..4).map(|n| client(if n % 2 == 0 { here.clone() } else { there.clone() }));
    let mut versions: Vec<i64> = join_all(clients).await.concat();
    versions.sort_unstable();
    assert_eq!(versions, (1..=600).collect::<Vec<_>>());
    assert_eq!(verified(&fixture.store).await.events, 600);
}

#[tokio::test]
async fn a_refusal_rests_on_what_another_process_acknowledged_before() {
    let fixture = Fixture::new().await;
    let here = fixture.store.commands::<Jar>((), vec![]);
    let there = fixture.another().await.commands::<Jar>((), vec![]);
    for round in 0..20 {
        let id = format!("jar {round}");
        here.execute(&id, drop_coin(), ask()).await.expect("it is open");
        there.execute(&id, seal(), ask()).await.expect("it can be sealed");
        let refused = here.execute(&id, drop_coin(), ask()).await.expect_err("it is sealed");
        assert!(matches!(refused, Refused::Rule(JarError::Sealed)), "{refused}");
        let nothing = here.execute(&id, seal(), ask()).await.expect("it is sealed already");
        assert_eq!((nothing.events.len(), nothing.version), (0, 2));
    }
}

#[tokio::test]
async fn an_idle_process_follows_what_others_append() {
    let fixture = Fixture::new().await;
    let here = fixture.store.commands::<Jar>((), vec![]);
    here.execute("a", drop_coin(), ask()).await.expect("it is accepted");
    let head = fixture.store.head();
    let there = fixture.another().await.commands::<Jar>((), vec![]);
    there.execute("b", drop_coin(), ask()).await.expect("it is accepted");
    tests::until("the head is followed", tests::ETA_MAX, || async { *head.borrow() == Position(2) }).await;
    let done = here.execute("b", drop_coin(), ask()).await.expect("it is accepted");
    assert_eq!(done.version, 2);
}
