//! One who follows the events: reads on at its own pace from where it is, and is told when a store is another one.
//!
//! What is on its way to a client is one piece of text: a client that takes nothing makes its reading wait, and after a
//! while it is cut off, to come back with the last `id:` that it got.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use envelope::Timestamp;
use event_schemas::Context;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::line::{Line, data_lines};
use super::places::{Place, Places};
use super::tail::{Known, Tail, Unread, is_full};

/// How many bytes are handed over at once, about.
const PIECE_BYTES: usize = 64 * 1024;
/// How long a store that cannot be read is left alone.
const RETRY: Duration = Duration::from_millis(500);
/// How long a client waits before it comes back, in the words of the form.
const COME_BACK_MS: u32 = 1_000;

/// What a client follows.
pub(super) struct Stream {
    pub(super) filter: Filter,
    pub(super) followed: BTreeMap<Context, Followed>,
    pub(super) heartbeat: Duration,
    pub(super) stall_max: Duration,
    pub(super) shutdown: CancellationToken,
}

/// A store that is followed.
pub(super) struct Followed {
    pub(super) tail: Tail,
    pub(super) known: watch::Receiver<Known>,
    pub(super) place: Place,
    /// The store was the same when this was so many times found to be another one.
    pub(super) changes: u64,
}

/// The client is gone, or takes nothing.
struct Gone;

/// What came of reading once.
enum Read {
    /// There may be more.
    More,
    Nothing,
    /// A store cannot be read for now.
    Away,
    /// What the client was told is not in a store any more.
    Lost,
}

impl Stream {
    /// Runs until the client is gone, this process ends, or a store lost what the client was told.
    pub(super) async fn run(mut self, out: mpsc::Sender<Bytes>) {
        let shutdown = self.shutdown.clone();
        let gone = out.clone();
        tokio::select! {
            _ended = self.follow(&out) => {}
            () = gone.closed() => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn follow(&mut self, out: &mpsc::Sender<Bytes>) -> Result<(), Gone> {
        let mut told = self.places();
        self.send(out, format!("retry: {COME_BACK_MS}\nid: {told}\n\n")).await?;
        let mut beat_at = Instant::now() + self.heartbeat;
        loop {
            let mut text = String::new();
            let read = self.read(&mut text).await;
            if !text.is_empty() {
                self.send(out, text).await?;
                (told, beat_at) = (self.places(), Instant::now() + self.heartbeat);
            }
            match read {
                Read::More if Instant::now() < beat_at => continue,
                Read::Lost => return Ok(()),
                Read::More | Read::Nothing | Read::Away => {}
            }
            let woken = async {
                match read {
                    Read::More | Read::Lost => {}
                    Read::Nothing => grown(&mut self.followed).await,
                    Read::Away => tokio::time::sleep(RETRY).await,
                }
            };
            let beaten = timeout_at(beat_at, woken).await.is_err() || Instant::now() >= beat_at;
            if beaten {
                // Events that were not wanted are passed all the same.
                let now = self.places();
                let id = if now == told { String::new() } else { format!("id: {now}\n") };
                self.send(out, format!(": still here\n{id}\n")).await?;
                (told, beat_at) = (now, Instant::now() + self.heartbeat);
            }
        }
    }

    fn places(&self) -> String {
        Places(self.followed.iter().map(|(context, followed)| (*context, followed.place)).collect()).to_string()
    }

    async fn send(&self, out: &mpsc::Sender<Bytes>, text: String) -> Result<(), Gone> {
        match timeout(self.stall_max, out.send(Bytes::from(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Gone),
            Err(_) => {
                tracing::info!("A stream of events is cut off: its client took nothing for {:?}", self.stall_max);
                Err(Gone)
            }
        }
    }

    /// Takes the next events of every store that has some, oldest first, and writes those that are wanted.
    async fn read(&mut self, text: &mut String) -> Read {
        let (mut batches, mut away) = (Vec::new(), false);
        for (context, followed) in &mut self.followed {
            match followed.next(*context, text).await {
                Ok(lines) => batches.push((*context, lines)),
                Err(Unread::Changed) => {
                    say_lost(text, *context, followed.place);
                    return Read::Lost;
                }
                Err(error) => {
                    tracing::debug!(%context, %error, "A stream cannot read on: {error}");
                    away = true;
                }
            }
        }
        // What comes after the end of a batch may be older than what another store has in hand.
        let full = batches.iter().filter(|(_, lines)| is_full(lines));
        let up_to: Option<Timestamp> = full.filter_map(|(_, lines)| lines.last().map(|line| line.recorded_at)).min();
        let mut merged: Vec<(Context, Arc<Line>)> = Vec::new();
        for (context, lines) in batches {
            let now = lines.into_iter().take_while(|line| up_to.is_none_or(|up_to| line.recorded_at <= up_to));
            merged.extend(now.map(|line| (context, line)));
        }
        merged.sort_by_key(|(_, line)| line.recorded_at);
        let any = !merged.is_empty();
        for (context, line) in merged {
            if text.len() > PIECE_BYTES {
                break;
            }
            if let Some(followed) = self.followed.get_mut(&context) {
                (followed.place.position, followed.place.event_id) = (line.position, Some(line.event_id));
            }
            if self.filter.wants(&line) {
                let _ = write!(text, "id: {}\n{}\n", self.places(), line.data);
            }
        }
        match (any, away) {
            (true, _) => Read::More,
            (false, true) => Read::Away,
            (false, false) => Read::Nothing,
        }
    }
}

impl Followed {
    /// What comes next in the store; nothing if it has not grown.
    async fn next(&mut self, context: Context, text: &mut String) -> Result<Vec<Arc<Line>>, Unread> {
        let known = *self.known.borrow_and_update();
        if known.changes != self.changes {
            let before = self.place.history;
            self.place = still_there(&self.tail, &self.place).await?;
            self.changes = known.changes;
            if self.place.history != before {
                say_history(text, context, self.place);
            }
        }
        if known.head <= self.place.position {
            return Ok(vec![]);
        }
        self.tail.after(&self.place).await
    }
}

/// The place in the store as it is now, if the event at it is still the same: then nothing was lost up to there.
async fn still_there(tail: &Tail, place: &Place) -> Result<Place, Unread> {
    let head = tail.head().await?;
    let there = tail.event_at(place.position).await?;
    let same = head.position >= place.position && there == place.event_id;
    if same { Ok(Place { history: head.history, ..*place }) } else { Err(Unread::Changed) }
}

/// A store began another history, and what the client knows of it is in that too.
fn say_history(text: &mut String, context: Context, place: Place) {
    let detail = format!(
        "the store of `{context}` lost its newest events and began another history; nothing of what was sent here is \
         among them, and the stream goes on"
    );
    let data = json!({"context": context, "position": place.position, "history": place.history, "detail": detail});
    let _ = write!(text, "event: history\n{}\n", data_lines(&data.to_string()));
}

/// A store lost what the client was told. The stream ends, and whoever comes back has to say where to begin.
fn say_lost(text: &mut String, context: Context, place: Place) {
    let data = json!({"context": context, "position": place.position, "detail": lost(context)});
    let _ = write!(text, "event: lost\n{}\n", data_lines(&data.to_string()));
}

/// What somebody is told whose place is not in a store any more.
pub(super) fn lost(context: Context) -> String {
    format!(
        "the store of `{context}` was restored or lost events: what stood at the place up to which events were sent is \
         not there any more, so some of what was sent did not happen, and other events may stand there now; look what \
         is there (GET /v1/events), and begin anew with from=start, from=now, or from={context}=<position>"
    )
}

/// Returns when one of the stores has grown or is another one.
async fn grown(followed: &mut BTreeMap<Context, Followed>) {
    let changes: Vec<_> = followed.values_mut().map(|followed| Box::pin(followed.known.changed())).collect();
    // The sender lives as long as what is followed.
    let _ended = futures::future::select_all(changes).await;
}
