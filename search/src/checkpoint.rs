//! How far an index has come: what stands in the payload of each of its commits, and whether it still holds.

use envelope::{History, Position};
use event_store::Head;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The shape of what is indexed. A change of fields, of analysis or of what is kept makes another one, and every index
/// is built anew.
pub const SHAPE: u32 = 2;

/// Everything in the index follows from the events of one history up to one position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The shape of the index.
    pub shape: u32,
    /// The program that wrote it.
    pub program: String,
    /// The history of the store to which the position belongs.
    pub history: History,
    /// The newest event that is in it.
    pub position: Position,
    /// Which event that is: a store that lost events uses their positions again.
    pub event_id: Option<Uuid>,
    /// It has been at the end of the store at least once: what it answers was true at some time.
    pub complete: bool,
    /// So many products are set aside because an event of theirs could not be read.
    pub set_aside: u64,
}

/// Why an index cannot go on from where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// There is none yet.
    #[error("there is none yet")]
    Fresh,
    /// Its payload is not one of ours.
    #[error("its checkpoint cannot be read")]
    Unreadable,
    /// It was made by other code.
    #[error("it has another shape than this program makes")]
    OtherShape,
    /// The store it was made from is not there any more.
    #[error("the store began another history or lost events")]
    OtherStore,
    /// A newer program may read what an older one had to set aside.
    #[error("another program than this one set products aside, which this one may read")]
    OtherProgram,
}

impl Checkpoint {
    /// Before the first event of a history.
    #[must_use]
    pub fn before(history: History) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let (position, event_id) = (Position::ZERO, None);
        Self { shape: SHAPE, program, history, position, event_id, complete: false, set_aside: 0 }
    }

    /// Reads the payload of a commit.
    ///
    /// # Errors
    /// [`Foreign`] if this program cannot go on from there, whatever the store says.
    pub fn read(payload: Option<&str>) -> Result<Self, Foreign> {
        let text = payload.ok_or(Foreign::Fresh)?;
        let read: Self = serde_json::from_str(text).map_err(|_| Foreign::Unreadable)?;
        match read {
            Self { shape, .. } if shape != SHAPE => Err(Foreign::OtherShape),
            Self { set_aside: 1.., ref program, .. } if program != env!("CARGO_PKG_VERSION") => {
                Err(Foreign::OtherProgram)
            }
            ours => Ok(ours),
        }
    }

    /// As the payload of a commit.
    ///
    /// # Errors
    /// What serde says; nothing in it can fail.
    pub fn write(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Whether a store can be the one that the index was made from. Where its end lies further, the event at the
    /// checkpoint is compared when the next ones are read.
    ///
    /// # Errors
    /// [`Foreign::OtherStore`] if it is another one.
    pub fn fits(&self, head: &Head) -> Result<(), Foreign> {
        let same = match self.position.cmp(&head.position) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => self.event_id == head.event_id,
            std::cmp::Ordering::Greater => false,
        };
        if same && self.history == head.history { Ok(()) } else { Err(Foreign::OtherStore) }
    }
}

#[cfg(test)]
mod tests;
