//! Policies: whether what they asked for was refused, and whether somebody keeps their time.

use std::time::Duration;

use super::{NotLooked, Patient, Seen};

/// So long a timer may be due before that is worth a word: a reactor that takes over has much to read.
const OVERDUE_MAX: Duration = Duration::from_secs(60);

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let views = patient.views()?;
    let parked = reactors::list_parked(views).await?;
    if let Some(oldest) = parked.first() {
        let (kind, id) = &oldest.target;
        seen.error(
            "policies.parked",
            format!(
                "{} commands of policies were refused; the oldest is of {} for {kind} {id}, since {}: {}",
                parked.len(),
                oldest.policy,
                oldest.noted_at,
                oldest.why
            ),
            "what should have followed did not, and what follows for the same aggregate waits behind it",
            "`handsel policies parked`, mend the cause, then `handsel policies retry NUMBER`, or `skip NUMBER`",
        );
    }
    let (overdue, seconds): (i64, Option<f64>) = sqlx::query_as(
        "select count(*), extract(epoch from now() - min(due))::float8 from react.timers
          where due < now() - make_interval(secs => $1)",
    )
    .bind(OVERDUE_MAX.as_secs_f64())
    .fetch_one(views)
    .await?;
    if overdue > 0 {
        seen.error(
            "policies.overdue",
            format!("{overdue} timers are overdue, the oldest by {:.0} s", seconds.unwrap_or_default()),
            "orders are not cancelled, completed or given up in time, and reservations do not lapse",
            "start a reactor (`handsel reactor`), or see in its log what it waits for",
        );
    }
    Ok(())
}
