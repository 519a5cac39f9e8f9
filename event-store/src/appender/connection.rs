//! The connection over which events are appended.

use platform::postgres::answered;
use sqlx::{ConnectOptions as _, PgConnection};

use super::sql;
use crate::{StoreConfig, StoreError};

/// A connection for appending: Postgres neither cancels its statements nor ends them after a time, and a commit is
/// durable whatever the role's settings say.
pub(super) async fn connect(config: &StoreConfig) -> Result<PgConnection, StoreError> {
    let options = config.connect_options("appender")?.options([
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"),
        // A space in an option is escaped as in a shell.
        ("default_transaction_isolation", r"read\ committed"),
    ]);
    let connected = async {
        let mut connection = options.connect().await?;
        sql::make_durable(&mut connection).await?;
        Ok(connection)
    };
    answered(config.answer_wait_max(), connected).await
}
