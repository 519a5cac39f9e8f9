//! One index and the events that it takes in: blocking work, done on a thread of its own.

use std::path::Path;
use std::time::Instant;

use envelope::Recorded;
use event_store::{Head, RawPayload};

use crate::changes::Changes;
use crate::checkpoint::{Checkpoint, Foreign};
use crate::index::{IndexError, ProductIndex, Serving};
use crate::pace::Pressure;

/// An index with what it has taken in since its last commit.
pub struct Following {
    index: ProductIndex,
    changes: Changes,
    /// Where the newest event stands that was taken in.
    at: Checkpoint,
    committed: Checkpoint,
}

impl Following {
    /// Opens the index of a folder for a store that ends there. What cannot go on, or was found to be `foreign`, is
    /// begun anew; the answer says why.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn open(folder: &Path, head: &Head, foreign: Option<Foreign>) -> Result<(Self, Option<Foreign>), IndexError> {
        let (mut index, read) = ProductIndex::open(folder)?;
        let found = foreign.map_or(Ok(()), Err);
        let fitting = read.and_then(|held| found.and_then(|()| held.fits(head)).map(|()| held));
        let (at, anew) = match fitting {
            Ok(held) => (held, None),
            Err(foreign) => {
                index.begin_anew()?;
                (Checkpoint::before(head.history), Some(foreign))
            }
        };
        Ok((Self { index, changes: Changes::default(), committed: at.clone(), at }, anew))
    }

    /// Where the newest event stands that was taken in.
    #[must_use]
    pub fn at(&self) -> &Checkpoint {
        &self.at
    }

    /// What everybody who asks is shown: a checkpoint that moved over events of no interest counts without a commit.
    #[must_use]
    pub fn shown(&self) -> &Checkpoint {
        if self.changes.is_empty() { &self.at } else { &self.committed }
    }

    /// For whoever asks.
    #[must_use]
    pub fn serving(&self) -> Serving {
        self.index.serving()
    }

    /// The index itself.
    #[must_use]
    pub fn index(&self) -> &ProductIndex {
        &self.index
    }

    /// What speaks for a commit.
    #[must_use]
    pub fn pressure(&self, waited_for: bool) -> Pressure {
        Pressure {
            changed: !self.changes.is_empty(),
            moved: self.at != self.committed,
            full: self.changes.is_full(),
            waited_for,
        }
    }

    /// Takes events in that follow on the checkpoint without a gap. While the index is built, products that have come
    /// to rest are indexed beside the reading.
    ///
    /// # Errors
    /// What the index says.
    pub fn take(&mut self, events: &[Recorded<RawPayload>]) -> Result<(), IndexError> {
        for event in events {
            let index = &self.index;
            self.changes.take(event, |product| index.find(product))?;
            (self.at.position, self.at.event_id) = (event.position, Some(event.event_id));
        }
        if self.at.complete { Ok(()) } else { self.index.write_settled(&mut self.changes) }
    }

    /// Notes that everything was taken in that the store had when it was asked.
    pub fn complete(&mut self) {
        self.at.complete = true;
    }

    /// Commits, and answers how long it took.
    ///
    /// # Errors
    /// What the index says; then it has to be opened again.
    pub fn commit(&mut self) -> Result<f64, IndexError> {
        let begun = Instant::now();
        self.at.set_aside += self.changes.set_aside();
        env!("CARGO_PKG_VERSION").clone_into(&mut self.at.program);
        self.index.commit(&mut self.changes, &self.at)?;
        self.committed = self.at.clone();
        Ok(begun.elapsed().as_secs_f64())
    }
}
