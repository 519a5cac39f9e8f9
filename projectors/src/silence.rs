//! When nothing comes although something should: decided here, without I/O.

use std::time::Duration;

use envelope::Position;
use event_schemas::Context;
use uuid::Uuid;

use crate::checkpoint::{Checkpoint, Cursor, Place, WHOLE_STORE};

/// How long a partition may be quiet before the store is asked.
const QUIET: Duration = Duration::from_secs(1);
/// The same while a reader waits for what it wrote.
const QUIET_WHILE_WAITED_FOR: Duration = Duration::from_millis(100);

/// What a store and its relay said when they were last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The last position in the store.
    pub(crate) head: Position,
    /// The event that stands there: as long as it does, what the relay said holds.
    pub(crate) head_event: Option<Uuid>,
    /// Everything up to here is in the topic.
    pub(crate) published: Position,
    /// The last position in each partition of the topic.
    pub(crate) last: Vec<Position>,
}

impl Seen {
    fn last(&self, partition: i32) -> Position {
        usize::try_from(partition).ok().and_then(|index| self.last.get(index)).copied().unwrap_or_default()
    }

    /// How far a place is complete: a quiet partition is, as far as the relay has published without anything for it.
    pub(crate) fn complete(&self, place: Place, held: &Checkpoint) -> Position {
        if place.partition == WHOLE_STORE || self.last(place.partition) > held.position {
            held.position
        } else {
            held.position.max(self.published)
        }
    }

    /// Whether events are missing that the topic should have brought, or will not bring soon.
    pub(crate) fn is_ahead_of(&self, place: Place, held: &Checkpoint) -> bool {
        self.complete(place, held) < self.head
    }

    /// Whether the store should be asked, if this place is quiet.
    pub(crate) fn is_strange(&self, place: Place, held: &Checkpoint) -> bool {
        self.is_ahead_of(place, held) || self.ends_before(held)
    }

    /// From where the store has to be read to bring all places of a context on.
    pub(crate) fn read_after(&self, cursor: &Cursor, context: Context) -> Option<Position> {
        cursor.of(context).map(|(place, held)| self.complete(*place, held)).min()
    }

    /// Whether the store ends before a checkpoint. It lost events, or was asked before they came.
    pub(crate) fn ends_before(&self, held: &Checkpoint) -> bool {
        self.head < held.position
    }
}

/// Whether a place has been quiet for so long that the store should be asked.
pub(crate) fn is_long(quiet_for: Duration, somebody_waits: bool) -> bool {
    quiet_for >= if somebody_waits { QUIET_WHILE_WAITED_FOR } else { QUIET }
}

#[cfg(test)]
mod tests;
