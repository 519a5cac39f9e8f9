//! Prints the tables of a migrated database as JSON, for `cargo xtask pages`. Nothing here may depend on a crate with
//! checked SQL, as beside `migrated`.

#[path = "support/migrate.rs"]
mod migrate;

use std::io::Write as _;

use anyhow::Context as _;
use platform::embedded::postgres::{EmbeddedPostgres, PostgresOptions};
use sqlx::{Connection as _, PgConnection};

const TABLES: &str = "
select coalesce(json_agg(json_build_object(
           'schema', n.nspname, 'name', c.relname, 'kind', c.relkind::text,
           'columns', (select json_agg(json_build_object(
                           'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'required', a.attnotnull,
                           'default', case when a.attidentity <> '' then 'counted up'
                                           else pg_get_expr(d.adbin, d.adrelid) end) order by a.attnum)
                         from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
                        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
           'keys', (select coalesce(json_agg(json_build_object('kind', k.contype::text,
                                                               'says', pg_get_constraintdef(k.oid))
                                             order by position(k.contype::text in 'pufc'), k.conname), '[]')
                      from pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'u', 'f', 'c')),
           'indexes', (select coalesce(json_agg(pg_get_indexdef(i.indexrelid) order by i.indexrelid), '[]')
                         from pg_index i
                        where i.indrelid = c.oid and not exists (
                              select 1 from pg_constraint k where k.conindid = i.indexrelid)))
           order by n.nspname, c.relname), '[]')::text
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v') and c.relname not like '%sqlx_migrations'
   and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Ours and another crypto provider are compiled in, so rustls wants to be told.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir()?;
    let postgres = EmbeddedPostgres::start(&PostgresOptions::new(folder.path()).for_tests()).await?;
    let described = describe(postgres.url().expose()).await;
    postgres.stop().await?;
    writeln!(std::io::stdout(), "{}", described?)?;
    Ok(())
}

async fn describe(url: &str) -> anyhow::Result<String> {
    migrate::migrate(url).await.context("migrating the database")?;
    let mut database = PgConnection::connect(url).await?;
    Ok(sqlx::query_scalar(TABLES).fetch_one(&mut database).await?)
}
