//! The aggregates in memory, with what is decided and not yet committed.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use envelope::Position;

use super::decision::StreamId;
use super::rows::EventRow;
use crate::codec::State;

/// One aggregate as of everything decided so far.
pub(crate) struct Entry {
    pub(crate) sequence: i64,
    pub(crate) last_position: Position,
    pub(crate) state: Box<dyn State>,
    /// Decided commands that wrote to it and are not committed; such an entry is never evicted.
    pub(crate) queued: usize,
    used: u64,
}

/// Bounded; the entries unused for longest go first.
pub(crate) struct Cache {
    entries: HashMap<StreamId, Entry>,
    entries_max: usize,
    tick: u64,
}

impl Cache {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { entries: HashMap::new(), entries_max, tick: 0 }
    }

    pub(crate) fn contains(&self, id: &StreamId) -> bool {
        self.entries.contains_key(id)
    }

    pub(crate) fn get(&mut self, id: &StreamId) -> Option<&mut Entry> {
        self.tick += 1;
        let entry = self.entries.get_mut(id)?;
        entry.used = self.tick;
        Some(entry)
    }

    pub(crate) fn insert(&mut self, id: StreamId, sequence: i64, last_position: Position, state: Box<dyn State>) {
        self.tick += 1;
        self.entries.insert(id, Entry { sequence, last_position, state, queued: 0, used: self.tick });
    }

    pub(crate) fn remove(&mut self, id: &StreamId) {
        self.entries.remove(id);
    }

    /// Takes an event that another process appended. An entry takes only its next one: what it has already it skips,
    /// and after a hole it is dropped, to be loaded again.
    pub(crate) fn take(&mut self, event: &EventRow) {
        let key = StreamKey { aggregate_type: &event.aggregate_type, aggregate_id: &event.aggregate_id };
        let Some(entry) = self.entries.get_mut(&key as &dyn Key) else { return };
        if event.sequence <= entry.sequence {
            return;
        }
        if event.sequence == entry.sequence + 1 && entry.state.apply(event).is_ok() {
            entry.sequence = event.sequence;
            entry.last_position = event.position;
        } else {
            self.entries.remove(&key as &dyn Key);
        }
    }

    /// Forgets every state that rests on events which are not committed.
    pub(crate) fn forget_queued(&mut self) {
        self.entries.retain(|_, entry| entry.queued == 0);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Makes room: a quarter goes at once, so that the search for the oldest is rare.
    pub(crate) fn evict(&mut self) {
        if self.entries.len() <= self.entries_max {
            return;
        }
        let mut ages: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        let cut = ages.len() / 4;
        let (_, &mut oldest_kept, _) = ages.select_nth_unstable(cut);
        self.entries.retain(|_, entry| entry.queued > 0 || entry.used >= oldest_kept);
    }
}

/// A stream's name by reference, so that looking up what another process appended allocates nothing.
struct StreamKey<'a> {
    aggregate_type: &'a str,
    aggregate_id: &'a str,
}

trait Key {
    fn parts(&self) -> (&str, &str);
}

impl Key for StreamId {
    fn parts(&self) -> (&str, &str) {
        (self.aggregate_type, &self.aggregate_id)
    }
}

impl Key for StreamKey<'_> {
    fn parts(&self) -> (&str, &str) {
        (self.aggregate_type, self.aggregate_id)
    }
}

impl Hash for dyn Key + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for dyn Key + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Key + '_ {}

impl<'a> Borrow<dyn Key + 'a> for StreamId {
    fn borrow(&self) -> &(dyn Key + 'a) {
        self
    }
}
