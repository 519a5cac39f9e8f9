//! Brings the events to the session in order: as the appender of this process hands them over, or from the store.
//!
//! What is handed over is only a short cut. A batch that is not the next one, or that came while the store was being
//! read, tells no more than how far the store has come.

use std::collections::VecDeque;
use std::time::Duration;

use envelope::{Position, Recorded};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::{Committed, Head, RawPayload, Reader, StoreError};

/// Events read from the store at once.
const PAGE_EVENTS: i64 = 2_000;
/// Batches that are held; more are not read before one of them is used up.
const QUEUE_BATCHES_MAX: usize = 3;
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(10);
const POLL_INTERVAL_MAX: Duration = Duration::from_millis(250);

/// Where events come from. All waiting happens in [`Feed::wait`], which may be dropped at any point: questions to the
/// store are tasks of their own, else a stream of delivery reports would begin each of them again and again.
pub(crate) struct Feed<'a> {
    reader: Reader,
    committed: &'a mut mpsc::Receiver<Committed>,
    handed_over: bool,
    page: Option<JoinHandle<Result<Vec<Recorded<RawPayload>>, StoreError>>>,
    asked: Option<JoinHandle<Result<Head, StoreError>>>,
    queue: VecDeque<Committed>,
    /// How many events of the first batch are used up.
    used: usize,
    /// The last position in the queue, or where reading starts.
    fetched: Position,
    head: Position,
    poll_at: Instant,
    poll_interval: Duration,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(reader: Reader, committed: &'a mut mpsc::Receiver<Committed>, after: Position) -> Self {
        Self {
            reader,
            committed,
            handed_over: true,
            page: None,
            asked: None,
            queue: VecDeque::new(),
            used: 0,
            fetched: after,
            head: after,
            poll_at: Instant::now(),
            poll_interval: POLL_INTERVAL_MIN,
        }
    }

    /// The newest event known of.
    pub(crate) fn head(&self) -> Position {
        self.head
    }

    /// The next event, if there is one at hand.
    pub(crate) fn peek(&self) -> Option<&Recorded<RawPayload>> {
        self.queue.front().and_then(|batch| batch.get(self.used))
    }

    /// The event that [`Feed::peek`] showed is done with.
    pub(crate) fn advance(&mut self) {
        self.used += 1;
        if self.queue.front().is_some_and(|batch| batch.len() <= self.used) {
            self.queue.pop_front();
            self.used = 0;
        }
    }

    /// Waits until something has changed.
    pub(crate) async fn wait(&mut self) -> Result<(), StoreError> {
        let room = self.queue.len() < QUEUE_BATCHES_MAX;
        if room && self.page.is_none() && self.fetched < self.head {
            let (reader, after) = (self.reader.clone(), self.fetched);
            self.page = Some(tokio::spawn(async move { reader.after(after, PAGE_EVENTS).await }));
        }
        tokio::select! {
            biased;
            page = async { self.page.as_mut().expect("checked by the guard").await }, if self.page.is_some() => {
                self.page = None;
                let page = page.unwrap_or(Err(StoreError::Closed))?;
                if page.is_empty() {
                    let (context, history) = (self.reader.context().to_string(), self.reader.history());
                    return Err(StoreError::HistoryLost { context, history, position: self.head });
                }
                self.push(page.into());
            }
            batch = self.committed.recv(), if self.handed_over && room => match batch {
                Some(batch) => self.take(batch),
                None => self.handed_over = false,
            },
            head = async { self.asked.as_mut().expect("checked by the guard").await }, if self.asked.is_some() => {
                self.asked = None;
                let head = head.unwrap_or(Err(StoreError::Closed))?;
                self.seen(head.position);
            }
            () = tokio::time::sleep_until(self.poll_at), if self.asked.is_none() => {
                let reader = self.reader.clone();
                self.asked = Some(tokio::spawn(async move { reader.head().await }));
            }
        }
        Ok(())
    }

    /// Uses a batch that was handed over if it is the next one.
    fn take(&mut self, batch: Committed) {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        let last = last.position;
        if self.page.is_none() && first.position <= self.fetched.next() && self.fetched < last {
            self.push(batch);
        }
        self.head = self.head.max(last);
    }

    fn push(&mut self, batch: Committed) {
        let Some(last) = batch.last().map(|last| last.position) else { return };
        let known = batch.partition_point(|event| event.position <= self.fetched);
        if known == 0 {
            self.queue.push_back(batch);
        } else {
            self.queue.push_back(batch[known..].to_vec().into());
        }
        self.fetched = last;
        self.head = self.head.max(last);
    }

    /// The store was asked: soon again if it knew more than was handed over, seldom if it never does.
    fn seen(&mut self, head: Position) {
        let news = head > self.head;
        self.poll_interval = if news { POLL_INTERVAL_MIN } else { (self.poll_interval * 2).min(POLL_INTERVAL_MAX) };
        self.poll_at = Instant::now() + self.poll_interval;
        self.head = self.head.max(head);
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        self.page.iter().for_each(JoinHandle::abort);
        self.asked.iter().for_each(JoinHandle::abort);
    }
}
