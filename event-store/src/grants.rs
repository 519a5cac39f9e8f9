//! What a role needs that decides, appends, reads and relays: it owns nothing, so that it can change no event, lift no
//! trigger and make no table. Migrating, recovering and adopting are the owner's.

use sqlx::{ConnectOptions as _, Executor as _};

use crate::{Store, StoreConfig, StoreError};

/// Each privilege and what it is on, within the schema of a store.
const PRIVILEGES: [(&str, &str); 7] = [
    ("select, insert", "events"),
    ("select, insert, delete", "commands"),
    ("select, insert, update", "snapshots"),
    ("select, update", "relay"),
    ("select", "store"),
    ("select", "_sqlx_migrations"),
    ("select", "postgres_es_events"),
];

impl Store {
    /// Grants a role what a store in service needs and takes everything else from it. The configuration's own role must
    /// own the store.
    ///
    /// # Errors
    /// If there is no such role, or Postgres is away or refuses.
    pub async fn grant_service(config: &StoreConfig, role: &str) -> Result<(), StoreError> {
        let mut connection = config.connect_options("grants")?.connect().await?;
        let (schema, role) = (config.schema(), quoted(role));
        let mut sql = format!(
            "revoke all on schema {schema} from {role}; revoke all on all tables in schema {schema} from {role};
             grant usage on schema {schema} to {role}; grant execute on all functions in schema {schema} to {role};"
        );
        for (privilege, object) in PRIVILEGES {
            sql.push_str(&format!("grant {privilege} on {schema}.{object} to {role};"));
        }
        connection.execute(sqlx::raw_sql(&sql)).await?;
        Ok(())
    }
}

/// As an identifier, whatever is in it.
fn quoted(role: &str) -> String {
    format!("\"{}\"", role.replace('"', "\"\""))
}
