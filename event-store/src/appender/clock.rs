//! Postgres' clock without asking it each time.

use std::time::Instant;

use envelope::Timestamp;
use sqlx::PgConnection;

use super::sql;
use crate::StoreError;

/// What Postgres said at connection, and how long ago. One wrong machine clock cannot stamp events with it.
#[derive(Clone, Copy)]
pub(crate) struct StoreClock {
    then: Timestamp,
    at: Instant,
}

impl StoreClock {
    pub(crate) async fn read(connection: &mut PgConnection) -> Result<Self, StoreError> {
        Ok(Self { then: sql::clock(connection).await?, at: Instant::now() })
    }

    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.at.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.then.micros().saturating_add(elapsed)).unwrap_or(self.then)
    }
}
