//! Asking another process for partitions that it holds.

use sqlx::PgConnection;
use uuid::Uuid;

/// Somebody wants a partition.
#[derive(sqlx::FromRow)]
pub(crate) struct Claim {
    projection: String,
    partition: i32,
    pub(crate) forced: bool,
}

impl Claim {
    pub(crate) fn is_for(&self, (projection, partition): (&str, i32)) -> bool {
        self.projection == projection && self.partition == partition
    }
}

/// What others claim now. A claim that was not renewed for 5 s is not meant any more.
pub(crate) async fn of_others(db: &mut PgConnection, process: Uuid) -> sqlx::Result<Vec<Claim>> {
    sqlx::query_as(
        "select projection, partition, forced from read.claims
          where process <> $1 and renewed_at > now() - interval '5 seconds'",
    )
    .bind(process)
    .fetch_all(db)
    .await
}

/// Claims these partitions and nothing else.
pub(crate) async fn renew(
    db: &mut PgConnection,
    process: Uuid,
    lacking: &[(&'static str, i32)],
    forced: bool,
) -> sqlx::Result<()> {
    let (projections, partitions): (Vec<_>, Vec<_>) = lacking.iter().copied().unzip();
    sqlx::query(
        "with gone as (
             delete from read.claims
              where process = $1
                and (projection, partition) not in (select * from unnest($2::text[], $3::integer[]))
                 or renewed_at < now() - interval '1 minute')
         insert into read.claims (projection, partition, process, forced)
         select projection, partition, $1, $4 from unnest($2::text[], $3::integer[]) as w(projection, partition)
         on conflict (projection, partition, process) do update set renewed_at = now()",
    )
    .bind(process)
    .bind(projections)
    .bind(partitions)
    .bind(forced)
    .execute(db)
    .await?;
    Ok(())
}
