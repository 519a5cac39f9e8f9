//! Bounds on waiting for Postgres. A network that swallows what is sent breaks no connection, and the system notices
//! only after a quarter of an hour.

use std::io;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

/// What Postgres answers, or the error that it does not. After that error the connection is to be dropped: an answer
/// that comes late would be taken for that of the next statement. What was sent may still be done.
///
/// # Errors
/// Those of what was asked, and [`sqlx::Error::Io`] after `wait_max`.
pub async fn answered<T, E: From<sqlx::Error>>(
    wait_max: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(wait_max, asked).await.unwrap_or_else(|_| {
        let silent = format!("Postgres has not answered for {} s", wait_max.as_secs_f32());
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, silent)).into())
    })
}

/// A connection of a pool that goes back only if [`Lent::give_back`] says that it is at rest. Otherwise it is closed:
/// the pool would wait for it without a limit.
#[derive(Debug)]
pub struct Lent(Option<PoolConnection<Postgres>>);

/// Takes a connection out of the pool; how long that may take is a setting of the pool.
///
/// # Errors
/// If none is free in time, or none can be made.
pub async fn lend(pool: &PgPool) -> sqlx::Result<Lent> {
    Ok(Lent(Some(pool.acquire().await?)))
}

impl Lent {
    /// Everything that was asked has been answered.
    pub fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("it is there until it is given back")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("it is there until it is given back")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}
