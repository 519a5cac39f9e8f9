//! Sessions of others that hold back Postgres or the appenders.

use event_schemas::Context;

use super::{NotLooked, Patient, Seen};

/// What a session with an old transaction shows of itself.
type Session = (i32, String, String, f64, bool);

/// A session without a snapshot holds back no vacuum, but may hold locks all the same.
const OLD: &str = "
    select pid, coalesce(application_name, ''), coalesce(state, ''),
           extract(epoch from clock_timestamp() - xact_start)::float8, backend_xmin is not null
      from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
       and state like 'idle in transaction%' and xact_start < clock_timestamp() - make_interval(secs => $1)
     order by xact_start limit 5";

/// Else the states of sessions of other roles are not told.
const SEES_OTHERS: &str = "select pg_has_role('pg_read_all_stats', 'usage')";

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let max = patient.limits.transaction_max_s;
    for (name, pool) in patient.reached() {
        let sees: bool = sqlx::query_scalar(SEES_OTHERS).fetch_one(pool).await?;
        if !sees {
            let reason = format!("Postgres at {name} does not tell this role what others do: grant pg_read_all_stats");
            seen.not_looked(NotLooked::because(reason));
        }
        let sessions: Vec<Session> = sqlx::query_as(OLD).bind(f64::from(max)).fetch_all(pool).await?;
        for (pid, application, state, seconds, snapshot) in sessions {
            let holds = if snapshot { " and holds a snapshot" } else { "" };
            seen.warning(
                "sessions.idle-in-transaction",
                format!("Postgres at {name}: process {pid} (`{application}`) is {state} for {seconds:.0} s{holds}"),
                "vacuum keeps every row that it may still want, and tables grow; its locks make others wait",
                format!("end that client, or `select pg_terminate_backend({pid})`"),
            );
        }
    }
    for context in Context::ALL {
        lock_of(context, patient, seen).await?;
    }
    Ok(())
}

/// The appender takes the lock for one statement; whoever holds it for long stops the commands of the store.
async fn lock_of(context: Context, patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let Some(holder) = patient.store(context)?.vitals().await?.append_lock else { return Ok(()) };
    let Some(seconds) = holder.seconds.filter(|s| *s >= f64::from(patient.limits.transaction_max_s)) else {
        return Ok(());
    };
    seen.error(
        "sessions.append-lock-held",
        format!(
            "process {} of Postgres (`{}`) holds the lock of the store `{context}` for {seconds:.0} s",
            holder.pid, holder.application
        ),
        "no command of this context is committed meanwhile: callers get 503",
        format!("find out what it does; `select pg_terminate_backend({})` frees the lock", holder.pid),
    );
    Ok(())
}
