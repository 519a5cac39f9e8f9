//! What a relay is doing, in words for readiness checks and people.

use std::fmt;

use envelope::Position;

/// What a relay is doing. Every trouble has a name, says why, and ends by itself when its cause does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayState {
    /// It has not found out yet.
    Starting,
    /// Another relay leads this store.
    Standby,
    /// It leads and publishes.
    Publishing {
        /// Everything up to here is acknowledged.
        checkpoint: Position,
        /// The newest event that it knows of.
        head: Position,
    },
    /// Postgres is away.
    WaitingForStore(String),
    /// The broker is away or refuses.
    WaitingForBroker(String),
    /// The topic holds other events than the store, or the topic has another shape: nothing is published.
    HistoryLost(String),
    /// The topic has a shape that would break the order of keys: nothing is published.
    Refused(String),
    /// It was told to stop.
    Stopped,
}

impl RelayState {
    /// Short and stable, for labels and JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Standby => "standby",
            Self::Publishing { .. } => "publishing",
            Self::WaitingForStore(_) => "waiting-for-store",
            Self::WaitingForBroker(_) => "waiting-for-broker",
            Self::HistoryLost(_) => "history-lost",
            Self::Refused(_) => "refused",
            Self::Stopped => "stopped",
        }
    }

    /// It does its work, or another one does.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Standby | Self::Publishing { .. })
    }

    /// It leads and the topic has everything.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        matches!(self, Self::Publishing { checkpoint, head } if checkpoint >= head)
    }
}

impl fmt::Display for RelayState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Publishing { checkpoint, head } => write!(f, ": {checkpoint} of {head}"),
            Self::WaitingForStore(why) | Self::WaitingForBroker(why) | Self::HistoryLost(why) | Self::Refused(why) => {
                write!(f, ": {why}")
            }
            Self::Starting | Self::Standby | Self::Stopped => Ok(()),
        }
    }
}
