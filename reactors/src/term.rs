//! Who leads a policy. A process that was frozen while another took the lead still believes that it leads when it is
//! woken; what it writes then must change nothing.
//!
//! The term of who leads is a number that only grows (a fencing token): each writes it with its lead, and whoever
//! changes what only the leader may change holds its row, at its own number, until the transaction ends.

use sqlx::{PgPool, Postgres, Transaction};

use crate::reading::Stopped;

/// For as long as no other process has begun to lead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    policy: &'static str,
    number: i64,
}

impl Term {
    /// Begins to lead: whatever an earlier leader still has open ends before, or changes nothing.
    pub(crate) async fn begin(pool: &PgPool, policy: &'static str) -> sqlx::Result<Self> {
        let number = sqlx::query_scalar(
            "insert into react.leaders as l (policy, term) values ($1, 1)
             on conflict (policy) do update set term = l.term + 1 returning term",
        )
        .bind(policy)
        .fetch_one(pool)
        .await?;
        Ok(Self { policy, number })
    }

    /// The number, for a statement that compares it itself.
    pub(crate) fn number(self) -> i64 {
        self.number
    }

    /// A transaction during which nobody else begins to lead.
    ///
    /// # Errors
    /// [`Stopped::Lost`] if somebody has.
    pub(crate) async fn transaction(self, pool: &PgPool) -> Result<Transaction<'static, Postgres>, Stopped> {
        let mut tx = pool.begin().await?;
        let held = sqlx::query("select from react.leaders where policy = $1 and term = $2 for share")
            .bind(self.policy)
            .bind(self.number)
            .fetch_optional(&mut *tx)
            .await?;
        if held.is_some() { Ok(tx) } else { Err(Stopped::Lost) }
    }
}
