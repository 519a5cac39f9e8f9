//! Asks a store what it holds where it was signed.

use std::collections::HashMap;

use envelope::{History, Position, Timestamp};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::finding::Report;
use super::judge::{Collected, Facts, judge};
use super::key::PublicKey;
use super::statement::Statement;
use crate::chain::{self, Chain};
use crate::{Reader, StoreError};

/// How many positions are asked for at once.
const POSITIONS_MAX: usize = 5_000;

/// Compares a store with what was signed of it. With no key to trust, every head is taken at its word, and a note says
/// so. It belongs together with [`crate::verify::store`], which shows that the chains are those of their events.
///
/// # Errors
/// If Postgres is away. What does not hold is no error but stands in the report.
pub async fn compare(reader: &Reader, heads: &Collected, trusted: &[PublicKey]) -> Result<Report, StoreError> {
    let mut facts = reader.ask(async |connection| facts(connection, reader.context()).await).await?;
    for positions in heads.positions().chunks(POSITIONS_MAX) {
        facts.at.extend(reader.ask(async |connection| stands_at(connection, positions).await).await?);
    }
    Ok(judge(&facts, heads, trusted))
}

/// The same over a connection that sees the store's schema, in whatever transaction it is.
///
/// # Errors
/// As [`compare`].
pub async fn compare_on(
    connection: &mut PgConnection,
    context: &str,
    heads: &Collected,
    trusted: &[PublicKey],
) -> Result<Report, StoreError> {
    let mut facts = facts(connection, context).await?;
    for positions in heads.positions().chunks(POSITIONS_MAX) {
        facts.at.extend(stands_at(connection, positions).await?);
    }
    Ok(judge(&facts, heads, trusted))
}

/// A store as it is now, to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    pub(crate) genesis: Uuid,
    pub(crate) history: History,
    pub(crate) position: Position,
    pub(crate) event_id: Option<Uuid>,
    pub(crate) chain: Chain,
    /// The chain that stands at the position that was asked for.
    pub(crate) known: Option<Chain>,
}

impl Now {
    /// Looks at the end of the store, and at the chain of another position.
    ///
    /// # Errors
    /// If Postgres is away or a chain is damaged.
    pub async fn look(connection: &mut PgConnection, known: Position) -> Result<Self, StoreError> {
        let row = sqlx::query(
            "select s.genesis, s.history, e.position, e.event_id, e.chain,
                    (select k.chain from events k where k.position = $1)
               from store s
               left join (select position, event_id, chain from events order by position desc limit 1) e on true",
        )
        .bind(known.get())
        .fetch_one(connection)
        .await?;
        let genesis: Uuid = row.try_get(0)?;
        let position = Position(row.try_get::<Option<i64>, _>(2)?.unwrap_or_default());
        let sound = |bytes: Option<Vec<u8>>, position| bytes.map(|bytes| chain_of(&bytes, position)).transpose();
        let first = chain::genesis(genesis);
        let known = if known == Position::ZERO { Some(first) } else { sound(row.try_get(5)?, known)? };
        Ok(Self {
            genesis,
            history: History(row.try_get(1)?),
            position,
            event_id: row.try_get(3)?,
            chain: sound(row.try_get(4)?, position)?.unwrap_or(first),
            known,
        })
    }

    /// Where the store ends.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// As a statement of this moment; `ended` is the history that a recovery ended.
    #[must_use]
    pub fn statement(&self, context: &str, ended: Option<History>, at: Timestamp) -> Statement {
        Statement {
            context: context.to_owned(),
            genesis: self.genesis,
            history: self.history,
            ended,
            position: self.position,
            event_id: self.event_id,
            chain: self.chain,
            at,
        }
    }
}

async fn facts(connection: &mut PgConnection, context: &str) -> Result<Facts, StoreError> {
    let row = sqlx::query("select genesis, history, coalesce((select max(position) from events), 0) from store");
    let row = row.fetch_one(connection).await?;
    let genesis = row.try_get(0)?;
    Ok(Facts {
        context: context.to_owned(),
        genesis,
        history: History(row.try_get(1)?),
        head: Position(row.try_get(2)?),
        at: HashMap::from([(Position::ZERO, (None, chain::genesis(genesis)))]),
    })
}

async fn stands_at(
    connection: &mut PgConnection,
    positions: &[i64],
) -> Result<Vec<(Position, (Option<Uuid>, Chain))>, StoreError> {
    let rows = sqlx::query("select position, event_id, chain from events where position = any($1)");
    let rows = rows.bind(positions).fetch_all(connection).await?;
    let mut stands = Vec::with_capacity(rows.len());
    for row in rows {
        // A chain of another length is none that was signed; the walk names it.
        let chain = <Vec<u8>>::as_slice(&row.try_get(2)?).try_into();
        if let Ok(chain) = chain {
            stands.push((Position(row.try_get(0)?), (row.try_get(1)?, chain)));
        }
    }
    Ok(stands)
}

fn chain_of(bytes: &[u8], position: Position) -> Result<Chain, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Damaged { position, reason: "its chain is not 32 bytes".to_owned() })
}
