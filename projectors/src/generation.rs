//! Generations of a read model: made, looked up, switched and dropped.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool};

use crate::projection::ReadModel;
use crate::registry::READ_MODELS;
use crate::table;

/// How long the switch of a view may wait for its readers before it lets them pass and tries again.
const LOCK_TIMEOUT_MS: u64 = 50;
/// How often it tries.
const SWITCH_ATTEMPTS_MAX: u32 = 200;

/// The generation that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) generation: i32,
    /// Of the code that made its rows.
    pub(crate) version: i32,
}

/// Makes the first generation of every read model that has none yet.
pub(crate) async fn ensure_all(db: &mut PgConnection) -> sqlx::Result<()> {
    for model in READ_MODELS {
        let mut tx = db.begin().await?;
        if live(&mut tx, model.name).await?.is_none() {
            let generation = insert(&mut tx, model, "live").await?;
            table::create(&mut tx, model.name, generation, model.tables).await?;
            table::finish(&mut tx, model.name, generation, model.tables).await?;
            show(&mut tx, model, generation).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

pub(crate) async fn live(db: &mut PgConnection, projection: &str) -> sqlx::Result<Option<Live>> {
    let row: Option<(i32, i32)> =
        sqlx::query_as("select generation, version from read.generations where projection = $1 and state = 'live'")
            .bind(projection)
            .fetch_optional(db)
            .await?;
    Ok(row.map(|(generation, version)| Live { generation, version }))
}

/// Begins a generation beside the live one. What an earlier attempt left behind is dropped.
pub(crate) async fn begin(pool: &PgPool, model: &ReadModel) -> sqlx::Result<i32> {
    drop_others(pool, model).await?;
    let mut tx = pool.begin().await?;
    let generation = insert(&mut tx, model, "building").await?;
    table::create(&mut tx, model.name, generation, model.tables).await?;
    tx.commit().await?;
    Ok(generation)
}

async fn insert(db: &mut PgConnection, model: &ReadModel, state: &str) -> sqlx::Result<i32> {
    sqlx::query_scalar(
        "insert into read.generations (projection, generation, version, state)
         select $1, coalesce(max(generation), 0) + 1, $2, $3 from read.generations where projection = $1
         returning generation",
    )
    .bind(model.name)
    .bind(model.version())
    .bind(state)
    .fetch_one(db)
    .await
}

/// Shows another generation. Readers never wait: if the view is in use, the switch lets them pass and tries again.
pub(crate) async fn switch(pool: &PgPool, model: &ReadModel, generation: i32) -> sqlx::Result<()> {
    let mut attempt = 1;
    loop {
        match try_switch(pool, model, generation).await {
            Err(error) if is_lock_timeout(&error) && attempt < SWITCH_ATTEMPTS_MAX => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(LOCK_TIMEOUT_MS)).await;
            }
            outcome => return outcome,
        }
    }
}

async fn try_switch(pool: &PgPool, model: &ReadModel, generation: i32) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    table::run(&mut tx, &format!("set local lock_timeout = {LOCK_TIMEOUT_MS}; set local synchronous_commit = on"))
        .await?;
    set_state(&mut tx, model.name, "state = 'live'", "retired").await?;
    set_state(&mut tx, model.name, &format!("generation = {generation}"), "live").await?;
    show(&mut tx, model, generation).await?;
    tx.commit().await
}

async fn set_state(db: &mut PgConnection, projection: &str, which: &str, state: &str) -> sqlx::Result<()> {
    let sql = format!("update read.generations set state = $2 where projection = $1 and {which}");
    sqlx::query(&sql).bind(projection).bind(state).execute(db).await.map(|_| ())
}

async fn show(db: &mut PgConnection, model: &ReadModel, generation: i32) -> sqlx::Result<()> {
    let (view, table) = (model.name, table::name(model.name, generation, ""));
    // Replacing keeps the rights that were granted on the view; it is refused when columns differ, and then it is made
    // anew.
    let replaced = {
        let mut savepoint = db.begin().await?;
        let sql = format!("create or replace view read.{view} as select * from {table}");
        match table::run(&mut savepoint, &sql).await {
            Ok(()) => savepoint.commit().await,
            Err(error) => Err(error),
        }
    };
    match replaced {
        Err(error) if is_other_shape(&error) => {
            table::run(db, &format!("drop view read.{view}; create view read.{view} as select * from {table}")).await
        }
        outcome => outcome,
    }
}

/// Drops every generation that is not live, with its checkpoints and what is parked in it.
pub(crate) async fn drop_others(pool: &PgPool, model: &ReadModel) -> sqlx::Result<()> {
    let others: Vec<i32> =
        sqlx::query_scalar("select generation from read.generations where projection = $1 and state <> 'live'")
            .bind(model.name)
            .fetch_all(pool)
            .await?;
    for generation in others {
        let mut tx = pool.begin().await?;
        table::run(&mut tx, &format!("set local lock_timeout = {LOCK_TIMEOUT_MS}")).await?;
        table::drop(&mut tx, model.name, generation, model.tables).await?;
        sqlx::query("delete from read.generations where projection = $1 and generation = $2")
            .bind(model.name)
            .bind(generation)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Begins a read model from nothing: for a store that has begun another history.
pub(crate) async fn start_over(pool: &PgPool, model: &ReadModel) -> sqlx::Result<()> {
    let generation = begin(pool, model).await?;
    let mut connection = pool.acquire().await?;
    table::finish(&mut connection, model.name, generation, model.tables).await?;
    drop(connection);
    switch(pool, model, generation).await?;
    forget_others(pool, model).await;
    Ok(())
}

/// Drops what is not live, unless somebody still reads it: then the next rebuild does.
pub(crate) async fn forget_others(pool: &PgPool, model: &ReadModel) {
    for _ in 0..SWITCH_ATTEMPTS_MAX {
        match drop_others(pool, model).await {
            Err(error) if is_lock_timeout(&error) => {
                tokio::time::sleep(Duration::from_millis(LOCK_TIMEOUT_MS)).await;
            }
            Err(error) => {
                tracing::warn!(projection = model.name, %error, "The previous generation is left to the next rebuild");
                return;
            }
            Ok(()) => return,
        }
    }
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    has_code(error, "55P03")
}

fn is_other_shape(error: &sqlx::Error) -> bool {
    // 42P16: invalid table definition, as when a column changes its name or type.
    has_code(error, "42P16")
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|found| found == code)
}
