//! Where the batches of each partition stand and where its log begins: what the embedded broker's storage does not
//! remember itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tansu_storage::Topition;

/// The partitions that exist.
#[derive(Debug, Default)]
pub(super) struct Logs(HashMap<String, Vec<Mutex<Log>>>);

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// By the offset of its first record, the offset that follows its last.
    batches: BTreeMap<i64, i64>,
    begins: i64,
}

/// Where to read so that a record is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// From here on.
    At(i64),
    /// Inside the batch that begins here.
    Inside(i64),
}

impl Logs {
    pub(super) fn create(&mut self, topic: &str, partitions: i32) {
        self.0.insert(topic.to_owned(), (0..partitions).map(|_| Mutex::default()).collect());
    }

    pub(super) fn delete(&mut self, topic: &str) {
        self.0.remove(topic);
    }

    pub(super) fn of(&self, partition: &Topition) -> Option<MutexGuard<'_, Log>> {
        let logs = self.0.get(partition.topic())?;
        let log = logs.get(usize::try_from(partition.partition()).ok()?)?;
        Some(log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log {
    pub(super) fn begins(&self) -> i64 {
        self.begins
    }

    pub(super) fn take(&mut self, first: i64, records: i64) {
        self.batches.insert(first, first + records);
    }

    /// Forgets what lies before an offset.
    pub(super) fn cut(&mut self, before: i64) -> i64 {
        self.begins = self.begins.max(before);
        self.batches.retain(|_, end| *end > before);
        self.begins
    }

    pub(super) fn start(&self, offset: i64) -> Start {
        let offset = offset.max(self.begins);
        match self.batches.range(..=offset).next_back() {
            Some((first, end)) if *first < offset && offset < *end => Start::Inside(*first),
            _ => Start::At(offset),
        }
    }
}
