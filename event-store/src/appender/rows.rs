//! Events as rows, and as what readers get.

use std::sync::Arc;

use envelope::{Cause, Position, Recorded, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use crate::chain::{Chain, Link};
use crate::{RawPayload, StoreError};

/// One row of `events`.
#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) position: Position,
    pub(crate) aggregate_type: Arc<str>,
    pub(crate) aggregate_id: Arc<str>,
    pub(crate) sequence: i64,
    pub(crate) event_id: Uuid,
    pub(crate) event_type: Arc<str>,
    pub(crate) event_version: Arc<str>,
    pub(crate) payload: String,
    pub(crate) metadata: Arc<str>,
    pub(crate) recorded_at: Timestamp,
    pub(crate) chain: Chain,
}

impl EventRow {
    /// What the chain covers.
    pub(crate) fn link(&self) -> Link<'_> {
        Link {
            position: self.position,
            aggregate_type: &self.aggregate_type,
            aggregate_id: &self.aggregate_id,
            sequence: self.sequence,
            event_id: self.event_id,
            event_type: &self.event_type,
            event_version: &self.event_version,
            recorded_at: self.recorded_at,
            payload: &self.payload,
            metadata: &self.metadata,
        }
    }

    /// As readers get it; the payload is not looked into.
    pub(crate) fn into_recorded(self, context: &Arc<str>) -> Result<Recorded<RawPayload>, StoreError> {
        let cause = cause_of(&self.metadata);
        let data = RawPayload::new(self.payload).map_err(|error| StoreError::Damaged {
            position: self.position,
            reason: format!("its payload is not JSON: {error}"),
        })?;
        Ok(Recorded {
            position: self.position,
            context: context.clone(),
            aggregate_type: self.aggregate_type,
            aggregate_id: self.aggregate_id.to_string(),
            sequence: self.sequence,
            event_id: self.event_id,
            event_type: self.event_type,
            event_version: self.event_version,
            recorded_at: self.recorded_at,
            cause,
            data,
        })
    }

    pub(crate) fn unreadable(&self, error: impl std::fmt::Display) -> StoreError {
        StoreError::Decode {
            position: self.position,
            event_type: self.event_type.to_string(),
            event_version: self.event_version.to_string(),
            reason: error.to_string(),
        }
    }
}

/// Metadata of adopted events may be anything; what is missing reads as unknown.
pub(crate) fn cause_of(metadata: &str) -> Cause {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Loose<'a> {
        #[serde(borrow)]
        actor: std::borrow::Cow<'a, str>,
        correlation_id: Uuid,
        causation_id: Option<Uuid>,
        traceparent: Option<String>,
    }
    let loose: Loose<'_> = serde_json::from_str(metadata).unwrap_or_default();
    Cause {
        actor: if loose.actor.is_empty() { "unknown".to_owned() } else { loose.actor.into_owned() },
        correlation_id: loose.correlation_id,
        causation_id: loose.causation_id,
        traceparent: loose.traceparent,
    }
}

/// Shares the few names that stand in every row.
#[derive(Default)]
pub(crate) struct Names(Vec<Arc<str>>);

impl Names {
    /// The shared copy of a name.
    pub(crate) fn share(&mut self, name: &str) -> Arc<str> {
        const NAMES_MAX: usize = 256;
        if let Some(known) = self.0.iter().find(|known| &***known == name) {
            return known.clone();
        }
        let new: Arc<str> = Arc::from(name);
        if self.0.len() < NAMES_MAX {
            self.0.push(new.clone());
        }
        new
    }
}
