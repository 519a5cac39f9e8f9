//! One hash over all rows of a generation, in the order of their key, as Postgres writes them down.

use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};

use super::Rebuild;
use crate::table;

/// The hashes of the live and of the new generation, as of one moment.
pub(super) async fn both(rebuild: &Rebuild) -> sqlx::Result<[String; 2]> {
    let mut connection = rebuild.views.acquire().await?;
    let mut tx = connection.begin().await?;
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *tx).await?;
    let live = of(&mut tx, rebuild, rebuild.live.generation).await?;
    let rebuilt = of(&mut tx, rebuild, rebuild.generation).await?;
    tx.rollback().await?;
    Ok([live, rebuilt])
}

async fn of(db: &mut PgConnection, rebuild: &Rebuild, generation: i32) -> sqlx::Result<String> {
    let mut hash = Sha256::new();
    for table in rebuild.model.tables {
        let name = table::name(rebuild.model.name, generation, table.suffix);
        let copy = format!("copy (select * from {name} order by {}) to stdout", table.key.join(", "));
        let mut rows = db.copy_out_raw(&copy).await?;
        while let Some(piece) = rows.try_next().await? {
            hash.update(&piece);
        }
        // So that rows of one table cannot be taken for those of the next.
        hash.update([0]);
    }
    Ok(platform::hexadecimal(&hash.finalize()))
}
