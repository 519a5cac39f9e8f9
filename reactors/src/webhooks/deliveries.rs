//! What is to be delivered, in its table.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::parcel::Packed;
use super::send::{Message, Outcome};

/// How much of one subscription is taken up at once.
pub(super) const AT_ONCE_MAX: usize = 16;
/// How many may wait for one subscription; beyond that they wait in the stores.
pub(super) const WAITING_MAX: i64 = 10_000;
/// How long what was delivered is shown.
const SHOWN_DAYS: i32 = 7;

/// A message that is due.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) number: i64,
    pub(super) webhook: Uuid,
    pub(super) attempts: i32,
    pub(super) message: Message,
}

/// Notes what is to be delivered, in this order.
pub(super) async fn insert(db: &mut PgConnection, webhook: Uuid, packed: &[Packed]) -> sqlx::Result<()> {
    if packed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into react.webhook_deliveries (webhook, message, event_type, lane, body, due)
         select $1, message, event_type, lane, body, clock_timestamp()
           from unnest($2::text[], $3::text[], $4::text[], $5::text[]) with ordinality
                as n(message, event_type, lane, body, place)
          order by place
         on conflict (webhook, message) do nothing",
    )
    .bind(webhook)
    .bind(packed.iter().map(|one| one.message.id.as_str()).collect::<Vec<_>>())
    .bind(packed.iter().map(|one| one.event_type.as_str()).collect::<Vec<_>>())
    .bind(packed.iter().map(|one| one.lane.as_str()).collect::<Vec<_>>())
    .bind(packed.iter().map(|one| one.message.body.as_str()).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

/// Whether enough waits for a subscription already.
pub(super) async fn is_full(pool: &PgPool, webhook: Uuid) -> sqlx::Result<bool> {
    let waiting = "select count(*) from (select from react.webhook_deliveries
                    where webhook = $1 and state in ('waiting', 'parked') limit $2) w";
    let count: i64 = sqlx::query_scalar(waiting).bind(webhook).bind(WAITING_MAX).fetch_one(pool).await?;
    Ok(count >= WAITING_MAX)
}

/// What may be sent now: of each lane the first, of each subscription so many.
pub(super) async fn due(pool: &PgPool, busy: &[i64]) -> sqlx::Result<Vec<Due>> {
    type Row = (i64, Uuid, i32, String, String);
    let rows: Vec<Row> = sqlx::query_as(
        "select d.number, w.webhook, d.attempts, d.message, d.body
           from react.webhooks w
          cross join lateral (
                select * from react.webhook_deliveries d
                 where d.webhook = w.webhook and d.state = 'waiting' and d.due <= clock_timestamp()
                   and not d.number = any($1)
                   and not exists (select from react.webhook_deliveries b
                                    where b.webhook = d.webhook and b.lane = d.lane and b.number < d.number
                                      and b.state in ('waiting', 'parked'))
                 order by d.due, d.number limit $2) d
          where w.state = 'active' and d.body is not null",
    )
    .bind(busy)
    .bind(i64::try_from(AT_ONCE_MAX).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    let due = |(number, webhook, attempts, id, body)| Due { number, webhook, attempts, message: Message { id, body } };
    Ok(rows.into_iter().map(due).collect())
}

/// Stores what came of an attempt: it is done, or tried again after so long, or waits for a person.
pub(super) async fn settle(
    db: &mut PgConnection,
    due: &Due,
    outcome: &Outcome,
    again: Option<Duration>,
) -> sqlx::Result<()> {
    let (state, status, error) = match outcome {
        Outcome::Delivered(status) => ("delivered", Some(*status), None),
        // What is sent to nobody any more waits until somebody wants it again, or it is removed with the subscription.
        Outcome::Gone => ("waiting", Some(410), Some("the receiver answered 410 Gone")),
        Outcome::Failed { status, why, .. } => {
            (if again.is_some() { "waiting" } else { "parked" }, *status, Some(why.as_str()))
        }
    };
    sqlx::query(
        "update react.webhook_deliveries set state = $2, status = $3, error = $4, attempts = attempts + 1,
                due = clock_timestamp() + make_interval(secs => $5),
                ended_at = case $2 when 'delivered' then clock_timestamp() end,
                body = case $2 when 'delivered' then null else body end
          where number = $1 and state = 'waiting'",
    )
    .bind(due.number)
    .bind(state)
    .bind(status.map(i32::from))
    .bind(error)
    .bind(again.unwrap_or_default().as_secs_f64())
    .execute(&mut *db)
    .await?;
    if *outcome == Outcome::Gone {
        sqlx::query(
            "update react.webhooks set state = 'disabled', version = version + 1,
                    reason = 'the receiver answered 410 Gone, which means that it wants nothing any more'
              where webhook = $1 and state = 'active'",
        )
        .bind(due.webhook)
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Removes what is no longer shown.
pub(super) async fn forget_old(pool: &PgPool) -> sqlx::Result<u64> {
    let old = "delete from react.webhook_deliveries where ended_at < now() - make_interval(days => $1)";
    Ok(sqlx::query(old).bind(SHOWN_DAYS).execute(pool).await?.rows_affected())
}

/// How many wait for a person.
pub(super) async fn parked(pool: &PgPool) -> sqlx::Result<i64> {
    let sql = "select count(*) from react.webhook_deliveries where state = 'parked'";
    sqlx::query_scalar(sql).fetch_one(pool).await
}

/// A subscription that does not get what it wants.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Ailing {
    /// Which one.
    pub webhook: Uuid,
    /// Where to.
    pub url: String,
    /// Whether its receiver said that it wants nothing any more.
    pub disabled: bool,
    /// How many deliveries wait for a person.
    pub parked: i64,
    /// Since when the oldest does.
    pub since: Option<DateTime<Utc>>,
    /// Why.
    pub why: Option<String>,
}

/// Subscriptions that are disabled or of which something is parked.
///
/// # Errors
/// If Postgres is away.
pub async fn ailing(pool: &PgPool) -> sqlx::Result<Vec<Ailing>> {
    sqlx::query_as(
        "select w.webhook, w.url, w.state = 'disabled' as disabled, p.parked, p.since, coalesce(w.reason, p.why) as why
           from react.webhooks w
          cross join lateral (select count(*) as parked, min(noted_at) as since, min(error) as why
                                from react.webhook_deliveries d
                               where d.webhook = w.webhook and d.state = 'parked') p
          where w.state = 'disabled' or p.parked > 0 order by w.created_at limit 1000",
    )
    .fetch_all(pool)
    .await
}
