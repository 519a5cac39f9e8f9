//! Partitions are held by a connection, which may break or go silent.

use std::time::Duration;

use event_schemas::Context;
use platform::settings::Secret;
use tests::Proxy;

use super::world::{World, order};

const LOCKS: &str =
    "pg_stat_activity where datname = current_database() and application_name = 'handsel projector locks'";

#[tokio::test]
async fn a_runner_whose_locks_are_lost_takes_them_again() {
    let world = World::new().await;
    let running = world.run();
    world.append(Context::Orders, &[order(1)]).await;
    world.settled().await;
    let before = world.rows(&format!("select pid from {LOCKS}")).await;
    assert_eq!(before.len(), 1);
    sqlx::query(&format!("select pg_terminate_backend(pid) from {LOCKS}")).execute(&world.views).await.unwrap();
    world.until_count(&format!("{LOCKS} and pid <> {}", before[0]["pid"]), 1).await;
    world.append(Context::Orders, &[order(2)]).await;
    world.until_count("read.orders", 2).await;
    world.until_count("read.audit_log", 2).await;
    running.stop().await;
}

#[tokio::test]
async fn a_runner_whose_network_swallows_everything_leaves_its_partitions_to_others() {
    let world = World::new().await;
    let proxy = Proxy::before(world.database.url()).await;
    let first = world.run_on(Secret::new(proxy.url()), None, None);
    world.append(Context::Orders, &[order(1)]).await;
    world.settled().await;
    let second = world.run();
    proxy.swallow();
    world.append(Context::Orders, &[order(2)]).await;
    world.until_count("read.orders", 2).await;
    world.until_count("read.audit_log", 2).await;
    second.stop().await;
    // It comes back by itself, whatever was lost on its connections.
    proxy.mend();
    world.append(Context::Orders, &[order(3)]).await;
    world.until_count("read.orders", 3).await;
    world.until_count("read.audit_log", 3).await;
    first.kill().await;
}

#[tokio::test]
async fn a_partition_is_given_up_only_when_its_last_step_has_ended() {
    let world = World::new().await;
    let running = world.run();
    world.append(Context::Orders, &[order(1)]).await;
    world.settled().await;
    let pid = world.rows(&format!("select pid from {LOCKS}")).await[0]["pid"].clone();
    let locks = format!("pg_locks where locktype = 'advisory' and classid = x'48534c50'::bigint::oid and pid = {pid}");
    let before = world.count(&locks).await;
    let mut held = world.views.begin().await.unwrap();
    sqlx::query("lock table read.orders in access exclusive mode").execute(&mut *held).await.unwrap();
    world.append(Context::Orders, &[order(2)]).await;
    let waits = "pg_locks l join pg_database d on d.oid = l.database
                  where d.datname = current_database() and l.locktype = 'relation' and not l.granted limit 1";
    world.until_count(&format!("(select 1 from {waits}) waits"), 1).await;
    let url = world.url();
    let rebuild = projectors::rebuild("orders", &url, world.stores.clone(), None, false);
    let meanwhile = async {
        world.until_count("read.claims where projection = 'orders' and partition = 0", 1).await;
        // It looks for claims every second.
        let given_up = world.until_count(&locks, before - i64::from(event_schemas::PARTITIONS));
        let given_up = tokio::time::timeout(Duration::from_millis(1_500), given_up).await;
        assert!(given_up.is_err(), "the step on them has not ended");
        held.rollback().await.unwrap();
    };
    let (rebuilt, ()) = tokio::join!(rebuild, meanwhile);
    assert!(rebuilt.unwrap().shown);
    world.settled().await;
    assert_eq!(world.count("read.orders").await, 2);
    running.stop().await;
}
