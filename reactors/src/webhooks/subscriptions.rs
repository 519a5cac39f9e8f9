//! Subscriptions, in their table.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use envelope::{OpenError, Recorded, Sealed, Timestamp};
use event_schemas::Context;
use event_store::RawPayload;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use super::secret::{Secret, Secrets};

/// The columns of a [`Webhook`].
pub(super) const COLUMNS: &str = "webhook, url, description, contexts, types, aggregate, secret, replaced, state, \
                                  reason, created_by, fingerprint, created_at, version";

/// Everything that is wanted is delivered.
pub(super) const ACTIVE: &str = "active";
/// A person wants nothing for a while; nothing is lost meanwhile.
pub(super) const PAUSED: &str = "paused";

/// A subscription as it stands in the table.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Webhook {
    pub(super) webhook: Uuid,
    pub(super) url: String,
    pub(super) description: String,
    pub(super) contexts: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) aggregate: Option<String>,
    pub(super) secret: Json<Sealed<String>>,
    pub(super) replaced: Json<Vec<Replaced>>,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) created_by: String,
    pub(super) fingerprint: Vec<u8>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) version: i64,
}

/// A secret that another one has replaced, and until when it signs beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Replaced {
    pub(super) secret: Sealed<String>,
    pub(super) until: Timestamp,
}

impl Webhook {
    /// The secrets that sign now: the one in force, then those that it has replaced and whose time is not over.
    pub(super) fn signing(&self, secrets: &Secrets, now: Timestamp) -> Result<Vec<Secret>, OpenError> {
        let replaced = self.replaced.iter().filter(|old| old.until > now).map(|old| &old.secret);
        std::iter::once(&self.secret.0).chain(replaced).map(|sealed| secrets.open(self.webhook, sealed)).collect()
    }

    /// The contexts that it reads.
    pub(super) fn reads(&self) -> BTreeSet<Context> {
        let named = |context: &Context| self.contexts.is_empty() || self.contexts.iter().any(|c| c == context.name());
        Context::ALL.into_iter().filter(named).collect()
    }

    /// Whether it wants an event of a context that it reads.
    pub(super) fn wants(&self, event: &Recorded<RawPayload>) -> bool {
        (self.types.is_empty() || self.types.iter().any(|name| **name == *event.event_type))
            && self.aggregate.as_ref().is_none_or(|id| *id == event.aggregate_id)
    }
}

/// All that are delivered to.
pub(super) async fn active(pool: &PgPool) -> sqlx::Result<Vec<Webhook>> {
    let sql = format!("select {COLUMNS} from react.webhooks where state = 'active' order by created_at, webhook");
    sqlx::query_as(&sql).fetch_all(pool).await
}

/// One of them.
pub(super) async fn find(pool: &PgPool, webhook: Uuid) -> sqlx::Result<Option<Webhook>> {
    let sql = format!("select {COLUMNS} from react.webhooks where webhook = $1");
    sqlx::query_as(&sql).bind(webhook).fetch_optional(pool).await
}

/// How often persons have changed anything.
pub(super) async fn changes(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("select changes from react.webhook_changes").fetch_one(pool).await
}
