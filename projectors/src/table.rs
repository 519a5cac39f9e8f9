//! The tables of a read model, written once and made for every generation.

use sqlx::PgConnection;

/// A table of a read model.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Empty for the table that is shown.
    pub suffix: &'static str,
    /// Its columns as SQL, without the primary key.
    pub columns: &'static str,
    /// The columns of its primary key.
    pub key: &'static [&'static str],
    /// What other indexes cover, made after a rebuild has filled the table.
    pub indexes: &'static [&'static str],
}

/// `read.sales_summary_v3_customers`.
pub(crate) fn name(projection: &str, generation: i32, suffix: &str) -> String {
    let separator = if suffix.is_empty() { "" } else { "_" };
    format!("read.{projection}_v{generation}{separator}{suffix}")
}

/// Makes the tables, without the indexes that only readers want.
pub(crate) async fn create(
    db: &mut PgConnection,
    projection: &str,
    generation: i32,
    tables: &[Table],
) -> sqlx::Result<()> {
    for table in tables {
        let name = name(projection, generation, table.suffix);
        let key = table.key.join(", ");
        run(db, &format!("create table {name} ({}, primary key ({key}))", table.columns)).await?;
    }
    Ok(())
}

/// Makes the indexes and lets the planner see what is there.
pub(crate) async fn finish(
    db: &mut PgConnection,
    projection: &str,
    generation: i32,
    tables: &[Table],
) -> sqlx::Result<()> {
    for table in tables {
        let name = name(projection, generation, table.suffix);
        for columns in table.indexes {
            run(db, &format!("create index on {name} {columns}")).await?;
        }
        run(db, &format!("analyze {name}")).await?;
    }
    Ok(())
}

/// Removes the tables of a generation that nobody reads any more.
pub(crate) async fn drop(
    db: &mut PgConnection,
    projection: &str,
    generation: i32,
    tables: &[Table],
) -> sqlx::Result<()> {
    for table in tables {
        run(db, &format!("drop table if exists {}", name(projection, generation, table.suffix))).await?;
    }
    Ok(())
}

/// Runs a statement that has no parameters and is not worth a prepared statement.
pub(crate) async fn run(db: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(sql).execute(db).await.map(|_| ())
}
