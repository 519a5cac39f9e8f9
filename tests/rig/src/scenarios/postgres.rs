//! Postgres crashes, and somebody's session holds it up.

use std::time::{Duration, Instant};

use sqlx::Connection as _;

use crate::scenario::{Scenario, Setting};
use crate::world::World;

/// Commands are answered again so soon after Postgres is back.
const BACK_MAX: Duration = Duration::from_secs(5);
/// A view may be so far behind while somebody's session is idle in a transaction.
const LAG_MAX: Duration = Duration::from_secs(2);

pub(crate) const KILLS: Scenario = Scenario {
    name: "kill-postgres",
    about: "SIGKILL of Postgres under load; it comes back through crash recovery.",
    lands: &["postgres kills"],
    setting: Setting::USUAL,
    run: |world| Box::pin(kills(world)),
};

pub(crate) const KILLS_ALONE: Scenario = Scenario {
    name: "kill-postgres-alone",
    about: "SIGKILL of Postgres while commands commit and nobody else does, who would bring them to the disk.",
    lands: &["postgres kills"],
    setting: Setting::USUAL,
    run: |world| Box::pin(kills_alone(world)),
};

pub(crate) const IDLE_SESSION: Scenario = Scenario {
    name: "idle-in-transaction",
    about: "A session writes to a table of its own and then does nothing, its transaction open.",
    lands: &["idle sessions"],
    setting: Setting::USUAL,
    run: |world| Box::pin(idle(world)),
};

async fn kills_alone(world: &mut World<'_>) -> anyhow::Result<()> {
    for name in ["relay", "projector"] {
        world.role(name).stop().await?;
    }
    kills_of(world, 3).await
}

async fn kills(world: &mut World<'_>) -> anyhow::Result<()> {
    let times = world.times(2, 20);
    kills_of(world, times).await
}

async fn kills_of(world: &mut World<'_>, times: u32) -> anyhow::Result<()> {
    world.go_on(1_000).await;
    for _ in 0..times {
        if !world.plan.null {
            world.servers.postgres.kill().await?;
            world.landed("postgres kills");
            world.go_on_between(50, 1_000).await;
            world.servers.postgres.begin(&[]).await?;
            let back = Instant::now();
            world.acknowledged(1, Duration::from_secs(20)).await?;
            let took = back.elapsed();
            world.worst("slowest first answer ms", took.as_secs_f64() * 1_000.0);
            if took > BACK_MAX {
                world.violation(format!(
                    "the first command was answered {} ms after Postgres was back",
                    took.as_millis()
                ));
            }
        }
        world.go_on_between(500, 1_500).await;
    }
    Ok(())
}

async fn idle(world: &mut World<'_>) -> anyhow::Result<()> {
    world.execute("create table somebody_elses (n integer)").await?;
    let mut session = None;
    if !world.plan.null {
        let mut open = world.servers.postgres.connect(&world.database).await?;
        sqlx::raw_sql("begin; insert into somebody_elses values (1); select * from somebody_elses")
            .execute(&mut open)
            .await?;
        session = Some(open);
    }
    let seen = "select count(*) from pg_stat_activity where state = 'idle in transaction' and backend_xid is not null
                   and datname = current_database()";
    let seen = world.number(seen).await?;
    world.landed_times("idle sessions", seen.unsigned_abs());
    let long = world.times(3, 30);
    let mut worst = Duration::ZERO;
    for _ in 0..long {
        worst = worst.max(shown_after(world).await?);
        world.go_on(900).await;
    }
    world.figure("worst lag ms", worst.as_secs_f64() * 1_000.0);
    if worst > LAG_MAX {
        world.violation(format!("a view was {} ms behind", worst.as_millis()));
    }
    if let Some(mut open) = session {
        sqlx::raw_sql("rollback").execute(&mut open).await?;
        open.close().await?;
    }
    Ok(())
}

/// How long until the views have what the store has now.
pub(crate) async fn shown_after(world: &World<'_>) -> anyhow::Result<Duration> {
    const MAX: Duration = Duration::from_secs(30);
    let begun = Instant::now();
    let head = world.number("select max(position) from es_orders.events").await?;
    let behind = format!(
        "select count(*) from read.checkpoints c join read.generations g using (projection, generation)
          where g.state = 'live' and c.projection = 'audit_log' and c.context = 'orders' and c.position < {head}"
    );
    while world.number_of_views(&behind).await? > 0 {
        anyhow::ensure!(begun.elapsed() < MAX, "the views are behind for {} s", MAX.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(begun.elapsed())
}
