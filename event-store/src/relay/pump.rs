//! While a session lives: events go to the producer, its reports to the cursor, and the cursor's progress to the row.

use std::time::Duration;

use envelope::Position;
use platform::faults;
use platform::telemetry::messaging::{self, Sending};
use rdkafka::error::KafkaError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::DRAIN_TIMEOUT;
use super::cursor::{Cursor, Known, LogReset, bounds_hold};
use super::feed::Feed;
use super::leader::{Dethroned, Leader};
use super::log::Log;
use super::producer::{IN_FLIGHT_RECORDS_MAX, Producer, Report, Sent};
use super::publishing::HeaderMaker;
use super::session::{Ended, Session};
use super::state::RelayState;
use crate::Reader;

const SAVE_INTERVAL: Duration = Duration::from_millis(250);
const ASSERT_INTERVAL: Duration = Duration::from_secs(1);
const WATCH_INTERVAL: Duration = Duration::from_secs(10);
/// Without a report for so long while records are under way, the broker is taken to be away.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Events published before reports are looked at again.
const BURST_EVENTS: usize = 500;
const REPORTS_AT_ONCE: usize = 1_024;

impl Session<'_> {
    /// Publishes until something ends it.
    pub(super) async fn pump(
        &mut self,
        leader: &mut Leader,
        cursor: &mut Cursor,
        pump: &mut Pump<'_>,
        reports: &mut mpsc::UnboundedReceiver<Report>,
    ) -> Ended {
        let log = Log::new(&self.config.kafka, &self.config.publishing.topic);
        let mut feed = Feed::new(self.reader.clone(), self.committed, cursor.read());
        let mut reported = Vec::with_capacity(REPORTS_AT_ONCE);
        let mut heard_at = Instant::now();
        let mut watch = log_watch(log.clone(), cursor.known());
        let mut save = tokio::time::interval(SAVE_INTERVAL);
        save.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asserted_at = Instant::now();
        loop {
            let full = match pump.burst(&mut feed, cursor, self.last_seen) {
                Ok(full) => full,
                Err(error) => return error.into(),
            };
            let more = !full && feed.peek().is_some();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ended::Stopped,
                count = reports.recv_many(&mut reported, REPORTS_AT_ONCE), if cursor.in_flight() > 0 => {
                    if count == 0 {
                        return KafkaError::Canceled.into();
                    }
                    heard_at = Instant::now();
                    for report in reported.drain(..) {
                        if let Err(ended) = heed(cursor, report) {
                            return ended;
                        }
                    }
                    faults::pass("relay.acknowledged");
                    pump.sending.acknowledged(cursor.checkpoint());
                }
                _ = save.tick() => {
                    let due = asserted_at.elapsed() >= ASSERT_INTERVAL;
                    if let Err(lost) = keep_row(leader, cursor, due).await {
                        return lost.into();
                    }
                    if due {
                        asserted_at = Instant::now();
                    }
                    if cursor.in_flight() == 0 {
                        heard_at = Instant::now();
                    }
                    tell(self.reader, self.state, cursor, &feed, heard_at.elapsed());
                }
                held = &mut watch => {
                    if let Err(reset) = held.unwrap_or(Ok(())) {
                        return reset.into();
                    }
                    watch = log_watch(log.clone(), cursor.known());
                }
                fed = feed.wait(), if !more => {
                    if let Err(error) = fed {
                        return error.into();
                    }
                }
                () = std::future::ready(()), if more => {}
            }
        }
    }
}

/// Says what it is doing, to whoever watches and in numbers.
fn tell(reader: &Reader, state_told: &watch::Sender<RelayState>, cursor: &Cursor, feed: &Feed<'_>, silence: Duration) {
    let (checkpoint, head) = (cursor.checkpoint(), feed.head());
    let context = reader.context().to_string();
    metrics::gauge!("handsel_relay_checkpoint", "context" => context.clone()).set(checkpoint.get() as f64);
    let unpublished = (head.get() - checkpoint.get()).max(0);
    metrics::gauge!("handsel_outbox_unpublished", "context" => context).set(unpublished as f64);
    let state = if cursor.in_flight() > 0 && silence > SILENCE_MAX {
        RelayState::WaitingForBroker(format!("{} records wait to be acknowledged", cursor.in_flight()))
    } else {
        RelayState::Publishing { checkpoint, head }
    };
    state_told.send_if_modified(|told| {
        let new = *told != state;
        *told = state;
        new
    });
}

/// Gives events to the producer.
pub(super) struct Pump<'a> {
    pub(super) producer: &'a Producer,
    pub(super) headers: HeaderMaker,
    pub(super) partitions: i32,
    pub(super) sending: Sending,
}

impl Pump<'_> {
    /// Publishes what is at hand, for a while; `true` if the producer takes no more now.
    fn burst(
        &mut self,
        feed: &mut Feed<'_>,
        cursor: &mut Cursor,
        last_seen: &mut Option<(Position, Uuid)>,
    ) -> Result<bool, KafkaError> {
        for _ in 0..BURST_EVENTS {
            let Some(event) = feed.peek() else { return Ok(false) };
            if cursor.in_flight() >= IN_FLIGHT_RECORDS_MAX {
                return Ok(true);
            }
            let partition = platform::kafka::partition_of(&event.aggregate_id, self.partitions);
            let partition = usize::try_from(partition).unwrap_or_default();
            if let Some(previous) = cursor.previous(partition, event.position) {
                let headers = self.headers.headers(event, previous);
                if self.producer.send(partition, event, headers)? == Sent::Full {
                    return Ok(true);
                }
                faults::pass("relay.handed-over");
                self.sending.handed_over(event.position);
                let number = i32::try_from(partition).unwrap_or_default();
                let cause = event.cause.traceparent.as_deref();
                // Ends at once: the producer has taken the record.
                drop(messaging::send(self.producer.topic(), number, &event.aggregate_id, event.event_id, cause));
            }
            cursor.published(partition, event.position);
            *last_seen = Some((event.position, event.event_id));
            feed.advance();
        }
        Ok(false)
    }
}

fn heed(cursor: &mut Cursor, report: Report) -> Result<(), Ended> {
    let offset = match report.outcome {
        Err(_) if faults::planted("error-is-acknowledged") => None,
        outcome => outcome?,
    };
    Ok(cursor.acknowledge(report.partition, report.position, offset)?)
}

/// Puts the progress into the row as it is held in memory.
pub(super) fn keep(leader: &mut Leader, cursor: &Cursor) -> bool {
    let (checkpoint, kept) = (cursor.checkpoint(), cursor.kept());
    let changed = leader.row.checkpoint != checkpoint || leader.row.kept != kept;
    leader.row.checkpoint = checkpoint;
    leader.row.kept = kept;
    changed
}

/// Saves what has changed; if nothing has, asks now and then whether the lead still stands.
async fn keep_row(leader: &mut Leader, cursor: &Cursor, assert: bool) -> Result<(), Dethroned> {
    if keep(leader, cursor) {
        leader.save().await.inspect(|()| faults::pass("relay.saved"))
    } else if assert {
        leader.assert().await
    } else {
        Ok(())
    }
}

/// Takes the reports of what is under way, for as long as a shutdown may last.
pub(super) async fn drain(cursor: &mut Cursor, reports: &mut mpsc::UnboundedReceiver<Report>) {
    let drained = async {
        while cursor.in_flight() > 0 {
            let Some(report) = reports.recv().await else { return };
            if heed(cursor, report).is_err() {
                return;
            }
        }
    };
    // Whatever is late is published again by the next leader.
    let _late = tokio::time::timeout(DRAIN_TIMEOUT, drained).await;
}

/// Looks once, after a while, whether the log still begins and ends where it must; a broker that is away says nothing
/// about it.
fn log_watch(log: Log, known: Vec<Known>) -> tokio_util::task::AbortOnDropHandle<Result<(), LogReset>> {
    tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        tokio::time::sleep(WATCH_INTERVAL).await;
        match log.bounds(known.len()).await {
            Ok(bounds) => bounds_hold(&known, &bounds),
            Err(_) => Ok(()),
        }
    }))
}
