//! Each Postgres: whether it answers, which version it is, and whether it keeps what it acknowledged.

use platform::postgres::ConnectError;
use sqlx::PgPool;

use super::patient::Database;
use super::{NotLooked, Patient, Seen, disk};

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    for Database { name, pool, .. } in &patient.databases {
        match pool {
            Ok(pool) => look_into(name, pool, patient, seen).await?,
            Err(error) => refused(name, error, seen),
        }
    }
    Ok(())
}

/// The embedded one.
pub(super) fn does_not_start(seen: &mut Seen, reason: &str) -> NotLooked {
    let next = "see `postgres/postgres.log` in the data folder";
    seen.error("postgres.does-not-start", reason.to_owned(), "`handsel up` cannot start either", next);
    NotLooked::because("the embedded Postgres does not start")
}

fn refused(name: &str, error: &ConnectError, seen: &mut Seen) {
    let sqlstate =
        |error: &sqlx::Error| error.as_database_error().and_then(|no| no.code().map(|code| code.to_string()));
    let (code, source, next) = match error {
        ConnectError::BadUrl(source) => ("postgres.bad-url", source.to_string(), "mend DATABASE_URL"),
        ConnectError::TooOld { found, .. } => {
            ("postgres.too-old", format!("its version is {found}"), "move the data to Postgres 17 or later")
        }
        ConnectError::Unreachable { source, .. } => match sqlstate(source).as_deref() {
            Some("28P01" | "28000") => {
                ("postgres.wrong-password", source.to_string(), "mend user and password in DATABASE_URL")
            }
            Some("3D000") => ("postgres.no-database", source.to_string(), "create the database, or mend its name"),
            Some("53300") => {
                ("postgres.no-connections-left", source.to_string(), "raise max_connections, or end other clients")
            }
            Some("55000") => (
                "postgres.closed",
                source.to_string(),
                "`alter database … with allow_connections true`, if it may be used",
            ),
            Some("57P03") => ("postgres.not-yet-ready", source.to_string(), "wait until it has started or stopped"),
            _ => (
                "postgres.unreachable",
                source.to_string(),
                "start it; see that host and port in DATABASE_URL are right",
            ),
        },
    };
    let why = "commands and queries that need it are answered with 503 until it is back; nothing is lost";
    seen.error(code, format!("Postgres at {name}: {source}"), why, next);
}

async fn look_into(name: &str, pool: &PgPool, patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    keeps(name, pool, seen).await?;
    writes(name, pool, seen).await?;
    connections(name, pool, patient, seen).await?;
    // Only who may see all settings is told where the files lie, and they may lie on another machine.
    let place = "select current_setting('data_directory', true), coalesce(host(inet_server_addr()), '127.0.0.1')";
    let place: Result<(Option<String>, String), _> = sqlx::query_as(place).fetch_one(pool).await;
    match place {
        Ok((Some(folder), address)) if address.starts_with("127.") || address == "::1" => {
            disk::room(folder.as_ref(), "Postgres", patient, seen);
        }
        _ => seen.not_looked(NotLooked::because(format!("the disk of Postgres at {name} is not seen from here"))),
    }
    Ok(())
}

/// What makes an acknowledged commit last.
async fn keeps(name: &str, pool: &PgPool, seen: &mut Seen) -> Result<(), NotLooked> {
    let settings = "select current_setting('fsync'), current_setting('full_page_writes'),
                           current_setting('synchronous_commit')";
    let (fsync, pages, commit): (String, String, String) = sqlx::query_as(settings).fetch_one(pool).await?;
    let off = |setting| format!("Postgres at {name} runs with {setting} = off");
    let lost = "what was acknowledged is lost, or the whole database is damaged, when the machine loses power";
    if fsync == "off" {
        seen.error("postgres.fsync-off", off("fsync"), lost, "set fsync = on and restart Postgres");
    }
    if pages == "off" {
        let next = "set full_page_writes = on, unless the file system never writes half a page";
        seen.error("postgres.full-page-writes-off", off("full_page_writes"), lost, next);
    }
    if commit == "off" {
        let why = "events are committed durably all the same, but keys of personal data may be lost in a crash";
        let next = "set synchronous_commit = on for this database and role";
        seen.warning("postgres.synchronous-commit-off", off("synchronous_commit"), why, next);
    }
    Ok(())
}

/// This session is read-only by its own wish, so the settings of others are asked for.
async fn writes(name: &str, pool: &PgPool, seen: &mut Seen) -> Result<(), NotLooked> {
    let refuses = "
        select pg_is_in_recovery(), exists (
            select from pg_db_role_setting s, unnest(s.setconfig) as setting
             where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
               and s.setrole in (0, (select oid from pg_roles where rolname = current_user))
               and setting = 'default_transaction_read_only=on')";
    let (standby, read_only): (bool, bool) = sqlx::query_as(refuses).fetch_one(pool).await?;
    let why = "no command can be taken";
    if standby {
        let next = "name the primary in DATABASE_URL, or promote this one and then `handsel doctor` again";
        seen.error("postgres.standby", format!("Postgres at {name} is a standby"), why, next);
    }
    if read_only {
        let next = "`alter database … reset default_transaction_read_only`, or the same for the role";
        seen.error("postgres.read-only", format!("Postgres at {name} makes every transaction read-only"), why, next);
    }
    Ok(())
}

async fn connections(name: &str, pool: &PgPool, patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let left = "select current_setting('max_connections')::bigint
                       - current_setting('superuser_reserved_connections')::bigint - count(*)
                  from pg_stat_activity where backend_type = 'client backend'";
    let left: i64 = sqlx::query_scalar(left).fetch_one(pool).await?;
    let min = patient.limits.connections_free_min;
    if left < min {
        seen.warning(
            "postgres.few-connections-left",
            format!("Postgres at {name} has {left} connections left, fewer than {min}"),
            "without one a role cannot come back after a fault, and readers wait",
            "raise max_connections, lower --database-connections, or end other clients",
        );
    }
    Ok(())
}
