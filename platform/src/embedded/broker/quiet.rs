//! When a connection to the embedded broker has looked everywhere in vain, so that it may wait. Without I/O: whoever
//! answers the connection does the waiting.

use std::collections::HashSet;

use tansu_storage::Topition;

/// Where a connection asked for records and there were none, since it last was given some or waited. Which ones and not
/// how many: clients ask for their partitions in another order each time.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    empty: HashSet<Topition>,
    /// It was given some in this round, which are on their way only when it has been answered for every partition.
    given: bool,
}

impl Quiet {
    /// What comes next is the first look of a round: a write after it ends the wait at the round's end.
    pub(super) fn begins(&self) -> bool {
        self.empty.is_empty()
    }

    /// Records were given.
    pub(super) fn found(&mut self) {
        self.empty.clear();
        self.given = true;
    }

    /// Nothing was there. Answers whether the connection has now looked into all of so many partitions without being
    /// given anything, and may wait before it is told so.
    pub(super) fn found_nothing(&mut self, partition: &Topition, partitions: usize) -> bool {
        self.empty.insert(partition.clone());
        if self.empty.len() < partitions {
            return false;
        }
        self.empty.clear();
        !std::mem::take(&mut self.given)
    }
}
