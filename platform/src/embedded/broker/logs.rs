//! Where the batches of each partition stand and where its log begins: what the embedded broker's storage does not
//! remember itself. And the newest batches once more, because the storage lists a whole partition to find one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tansu_sans_io::record::deflated::Batch;
use tansu_sans_io::record::inflated;
use tansu_storage::{OffsetStage, Result, Topition};

/// So much of the end of a partition is held ready for readers that keep up.
const TAIL_BYTES_MAX: usize = 1 << 20;
/// The bit of a batch's attributes that says that it belongs to a transaction.
const TRANSACTIONAL: i16 = 1 << 4;

/// The partitions that exist.
#[derive(Debug, Default)]
pub(super) struct Logs(HashMap<String, Vec<Mutex<Log>>>);

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// By the offset of its first record, the offset that follows its last.
    batches: BTreeMap<i64, i64>,
    begins: i64,
    end: i64,
    tail: Tail,
    /// What the storage said of this partition, until something is written.
    stage: Option<OffsetStage>,
    writes: u64,
}

/// The newest batches without a hole, by the offset of their first record.
#[derive(Debug, Default)]
struct Tail {
    batches: BTreeMap<i64, Batch>,
    end: i64,
    bytes: usize,
    /// Whether a record may be read depends on its transaction, which only the storage knows.
    transactional: bool,
}

/// Where to read so that a record is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// In the storage, from here on.
    At(i64),
    /// In the storage, inside the batch that begins here.
    Inside(i64),
    /// These are the batches; none at the end of the log.
    Ready(Vec<Batch>),
}

impl Start {
    /// There is nothing yet.
    pub(super) fn is_at_the_end(&self) -> bool {
        matches!(self, Self::Ready(batches) if batches.is_empty())
    }
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

    pub(super) fn partitions(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// A transaction has begun or ended: what was said of any partition may no longer be so.
    pub(super) fn forget_stages(&self) {
        for log in self.0.values().flatten() {
            log.lock().unwrap_or_else(PoisonError::into_inner).written();
        }
    }
}

impl Log {
    pub(super) fn begins(&self) -> i64 {
        self.begins
    }

    /// Takes what was written at `first`, several writers in whatever order they come.
    pub(super) fn take(&mut self, first: i64, batch: Batch) {
        let end = first + records(&batch);
        self.batches.insert(first, end);
        self.tail.take(first, batch);
        self.end = self.end.max(end);
        self.written();
    }

    /// Forgets what lies before an offset.
    pub(super) fn cut(&mut self, before: i64) -> i64 {
        self.begins = self.begins.max(before);
        self.batches.retain(|_, end| *end > before);
        self.begins
    }

    /// Where to find at most so many bytes from an offset on, but one batch at least.
    pub(super) fn start(&self, offset: i64, bytes_max: usize) -> Start {
        let offset = offset.max(self.begins);
        if offset == self.end {
            return Start::Ready(vec![]);
        }
        match self.batches.range(..=offset).next_back() {
            Some((first, end)) if *first < offset && offset < *end => Start::Inside(*first),
            _ => self.tail.from(offset, bytes_max).map_or(Start::At(offset), Start::Ready),
        }
    }

    /// What the storage said, if nothing was written since.
    pub(super) fn stage(&self) -> Option<OffsetStage> {
        self.stage
    }

    /// Changes with every write.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Keeps what the storage said when `writes` was read.
    pub(super) fn keep_stage(&mut self, stage: OffsetStage, writes: u64) {
        if self.writes == writes {
            self.stage = Some(stage);
        }
    }

    fn written(&mut self) {
        self.writes += 1;
        self.stage = None;
    }
}

impl Tail {
    fn take(&mut self, first: i64, batch: Batch) {
        self.transactional |= batch.attributes & TRANSACTIONAL != 0;
        if first != self.end || self.transactional {
            // A hole: what follows it is another tail.
            self.batches.clear();
            self.bytes = 0;
        }
        if self.transactional {
            return;
        }
        self.end = first + records(&batch);
        self.bytes += batch.record_data.len();
        // Its own bytes: those of the request would keep the whole of it.
        let record_data = Bytes::copy_from_slice(&batch.record_data);
        self.batches.insert(first, Batch { base_offset: first, record_data, ..batch });
        while self.bytes > TAIL_BYTES_MAX
            && self.batches.len() > 1
            && let Some((_, oldest)) = self.batches.pop_first()
        {
            self.bytes -= oldest.record_data.len();
        }
    }

    fn from(&self, offset: i64, bytes_max: usize) -> Option<Vec<Batch>> {
        self.batches.get(&offset)?;
        let mut bytes = 0;
        let wanted = self.batches.range(offset..).take_while(|(_, batch)| {
            let enough = bytes > bytes_max;
            bytes += batch.record_data.len();
            !enough
        });
        Some(wanted.map(|(_, batch)| batch.clone()).collect())
    }
}

/// The records of a batch from an offset on; the offsets before stay taken, as after a compaction.
pub(super) fn rest(batch: &Batch, from: i64) -> Result<Batch> {
    let mut batch = inflated::Batch::try_from(batch)?;
    let first = batch.base_offset;
    batch.records.retain(|record| first + i64::from(record.offset_delta) >= from);
    Ok(batch.try_into()?)
}

fn records(batch: &Batch) -> i64 {
    i64::from(batch.last_offset_delta) + 1
}

#[cfg(test)]
mod tests;
