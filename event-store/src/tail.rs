//! Walks the newest events of a store only: a quick look, where [`crate::verify`] walks all of them.

use envelope::{Position, Timestamp};

use crate::appender::rows::EventRow;
use crate::chain::{self, Chain};
use crate::{Reader, StoreError};

/// What a look at the newest events found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// How many events were looked at.
    pub events: u64,
    /// The first place where the chain does not hold, and why.
    pub broken: Option<(Position, String)>,
}

/// Follows the chain over the newest events. The first of them, at position 1 excepted, is taken as it is: what comes
/// before it is not looked at.
///
/// # Errors
/// If Postgres is away or a row is damaged.
pub async fn walk(reader: &Reader, events_max: u32) -> Result<Tail, StoreError> {
    let head = reader.head().await?.position;
    let after = Position((head.get() - i64::from(events_max)).max(0));
    let begins = if after == Position::ZERO { Some(chain::genesis(reader.genesis().await?)) } else { None };
    let mut walk = Walk { at: after, chain: begins, recorded_at: Timestamp::default(), tail: Tail::default() };
    reader
        .rows_copy(after, head, |row| {
            walk.step(&row);
            Ok::<_, StoreError>(())
        })
        .await?;
    if walk.at < head {
        let missing = format!("the events after position {} are missing", walk.at);
        walk.breaks(head, missing);
    }
    Ok(walk.tail)
}

struct Walk {
    at: Position,
    chain: Option<Chain>,
    recorded_at: Timestamp,
    tail: Tail,
}

impl Walk {
    fn step(&mut self, row: &EventRow) {
        self.tail.events += 1;
        if row.position != self.at.next() {
            self.breaks(row.position, format!("it follows position {}: events are missing", self.at));
        }
        if self.chain.is_some_and(|chain| chain::after(&chain, &row.link()) != row.chain) {
            self.breaks(row.position, "its chain does not follow: it or the event before was changed".to_owned());
        }
        if row.recorded_at < self.recorded_at {
            self.breaks(row.position, "it was recorded before its predecessor".to_owned());
        }
        (self.at, self.chain, self.recorded_at) = (row.position, Some(row.chain), row.recorded_at);
    }

    /// The first one matters most; those after it may follow from it.
    fn breaks(&mut self, position: Position, reason: String) {
        self.tail.broken.get_or_insert((position, reason));
    }
}
