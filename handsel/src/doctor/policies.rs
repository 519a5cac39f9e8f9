//! Policies: whether what they asked for was refused, whether somebody keeps their time, and whether mail goes out.

use std::time::Duration;

use sqlx::PgPool;

use super::{NotLooked, Patient, Seen};

/// So long a timer may be due before that is worth a word: a reactor that takes over has much to read.
const OVERDUE_MAX: Duration = Duration::from_secs(60);

/// So long a mail may be due before that is worth a word: it is tried again twice as late each time.
const MAIL_OVERDUE_MAX: Duration = Duration::from_secs(300);
/// After so many tries the server that takes mail is worth a look.
const MAIL_TRIES_MAX: i32 = 4;

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
    mails(views, seen).await
}

/// Mail that was refused, that nobody hands over, or that its server does not take.
async fn mails(views: &PgPool, seen: &mut Seen) -> Result<(), NotLooked> {
    let parked = reactors::mail::list_parked_mails(views).await?;
    if let Some(oldest) = parked.first() {
        seen.error(
            "mails.parked",
            format!("{} mails were refused; the oldest since {}: {}", parked.len(), oldest.noted_at, oldest.why),
            "customers are not told that their order is confirmed or cancelled",
            "`handsel mails parked`, mend the cause, then `handsel mails retry`, or `retry NUMBER`, `skip NUMBER`",
        );
    }
    let (overdue, seconds): (i64, Option<f64>) = sqlx::query_as(
        "select count(*), extract(epoch from now() - min(due))::float8 from react.mails
          where due < now() - make_interval(secs => $1)",
    )
    .bind(MAIL_OVERDUE_MAX.as_secs_f64())
    .fetch_one(views)
    .await?;
    if overdue > 0 {
        seen.error(
            "mails.overdue",
            format!("{overdue} mails are overdue, the oldest by {:.0} s", seconds.unwrap_or_default()),
            "customers are told late that their order is confirmed or cancelled",
            "start a reactor (`handsel reactor`), or see in its log what it waits for",
        );
    }
    let (waiting, why): (i64, Option<String>) = sqlx::query_as(
        "select count(*), (array_agg(why order by changed_at desc))[1] from react.mails
          where due is not null and tries >= $1 and why is not null",
    )
    .bind(MAIL_TRIES_MAX)
    .fetch_one(views)
    .await?;
    if waiting > 0 {
        seen.warning(
            "mails.not-taken",
            format!("{waiting} mails were tried {MAIL_TRIES_MAX} times or more; last: {}", why.unwrap_or_default()),
            "they are tried again for a day and then wait for a person",
            "look whether the server of SMTP_URL is up, lets the reactor in, and takes what HANDSEL_MAIL_FROM sends",
        );
    }
    Ok(())
}
