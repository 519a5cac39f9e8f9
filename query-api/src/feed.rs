//! Events as they happen, over a connection that stays open. Of no context, because they are of all.
//!
//! They are read from the stores by position, so that none is missing and a broker has no part in it. Who comes back
//! says with `Last-Event-ID` where it was, and goes on there.

mod filter;
mod line;
mod places;
mod stream;
mod tail;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use envelope::Position;
use event_schemas::Context;
use event_store::{Store, StoreConfig, StoreError};
use platform::caller::Caller;
use platform::http::Params;
use platform::problem::{Explanation, Problem};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::filter::Filter;
use self::places::{Place, Told, ToldPlaces};
use self::stream::{Followed, Stream, lost};
use self::tail::Tail;
use crate::app::Api;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies that gather answers to hand on what comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const RETRY_AFTER_S: u32 = 1;
const RETRY_AFTER_FULL_S: u32 = 5;

/// What somebody who follows events may be answered.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "events-lost",
        409,
        "A store was restored or lost events: what stood at the place that was named is not there any more. Some of \
         what was sent did not happen, and other events may stand there now. Look, then begin anew with from=start, \
         from=now or a position.",
    ),
    Explanation::new(
        "events-unavailable",
        503,
        "An event store cannot be reached. Nothing is lost. Come back with the same Last-Event-ID after Retry-After.",
    ),
    Explanation::new(
        "too-many-streams",
        503,
        "As many streams of events are open as this process serves (HANDSEL_EVENT_STREAMS_MAX). Come back after \
         Retry-After, or close others.",
    ),
];

/// How much is given to those who follow.
#[derive(Clone, Copy, Debug)]
pub struct FeedSettings {
    /// How many streams are open at once.
    pub streams_max: usize,
    /// How long nothing is sent at most.
    pub heartbeat: Duration,
    /// How long a client may take nothing before it is cut off.
    pub stall_max: Duration,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self { streams_max: 2_000, heartbeat: Duration::from_secs(15), stall_max: Duration::from_secs(60) }
    }
}

/// Where the store of a context is.
#[derive(Clone)]
pub enum FeedStore {
    /// This process has it anyway, and hears at once of what it appends.
    Open(Store),
    /// It is opened when somebody follows it: what has nothing to do with it goes on while it is away.
    At(Box<StoreConfig>),
}

/// The stores as they are followed. Cheap to clone.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    stores: BTreeMap<Context, (FeedStore, OnceCell<Tail>)>,
    settings: FeedSettings,
    free: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// Counts an open stream for as long as it lives.
struct Open(#[expect(dead_code, reason = "it is held, not looked at")] OwnedSemaphorePermit);

impl Feed {
    /// Every stream ends with `shutdown`.
    #[must_use]
    pub fn new(
        stores: impl IntoIterator<Item = (Context, FeedStore)>,
        settings: FeedSettings,
        shutdown: CancellationToken,
    ) -> Self {
        open_streams().set(0.0);
        let stores = stores.into_iter().map(|(context, store)| (context, (store, OnceCell::new()))).collect();
        let free = Arc::new(Semaphore::new(settings.streams_max));
        Self(Arc::new(Inner { stores, settings, free, shutdown }))
    }

    async fn tail(&self, context: Context) -> Result<&Tail, Problem> {
        let Some((store, tail)) = self.0.stores.get(&context) else {
            return Err(Problem::internal(&"a store that is followed was not given"));
        };
        let open = async || {
            let store = match store {
                FeedStore::Open(store) => store.clone(),
                FeedStore::At(config) => Store::open(StoreConfig::clone(config)).await?,
            };
            Ok(Tail::start(store, self.0.shutdown.clone()))
        };
        tail.get_or_try_init(open).await.map_err(|error| away(context, &error))
    }

    fn enter(&self) -> Result<Open, Problem> {
        let permit = self.0.free.clone().try_acquire_owned().map_err(|_| {
            let detail = format!(
                "{} streams of events are open, as many as this process serves; come back, or close others",
                self.0.settings.streams_max
            );
            Problem::unavailable("too-many-streams", detail, RETRY_AFTER_FULL_S)
        })?;
        open_streams().increment(1.0);
        Ok(Open(permit))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        open_streams().decrement(1.0);
    }
}

fn open_streams() -> metrics::Gauge {
    metrics::gauge!("handsel_event_streams")
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// From where events are wanted.
enum Begin {
    Start,
    Now,
    Places(&'static str, ToldPlaces),
}

/// Follow events as they happen.
///
/// Server-sent events: each has an `id:` and, as `data:`, what the list of events shows of it. Those of one context
/// come in the order in which they were stored, each once; contexts are merged by time as far as they are at hand. Who
/// comes back with the last `id:` in `Last-Event-ID`, as browsers do, misses nothing. A comment comes every 15 seconds
/// if nothing else does, with an `id:` if events were passed that were not wanted.
///
/// An event named `lost` says that a store was restored and what was sent is not in it any more; then the stream ends,
/// and coming back with that `id:` is answered with 409. One named `history` says that it began another history and
/// nothing was lost that was sent here.
#[utoipa::path(
    get, path = "/v1/events/stream", tag = "events", operation_id = "streamEvents",
    params(("filter[context]" = Option<String>, Query, description = "Only of these, separated by commas.",
            example = "orders,payments"),
           ("filter[type]" = Option<String>, Query, description = "Only of these types, separated by commas, named \
            like `OrderPlaced` or `orders.order-placed`.", example = "OrderPlaced"),
           ("filter[aggregate]" = Option<String>, Query, description = "Only what happens to this thing."),
           ("from" = Option<String>, Query, description = "`now`, `start`, or an `id:` after which to begin; a \
            position may be written by hand, such as `orders=17`. A context that it does not name is sent from its \
            beginning. Without it: now.", example = "start"),
           ("Last-Event-ID" = Option<String>, Header, description = "The last `id:` that came; it counts more than \
            `from`.", example = "orders=17@3f2a9c01.8b1d44aa0c12")),
    responses((status = 200, description = "Events, until one of both sides ends it.",
               content_type = "text/event-stream", body = String,
               example = "retry: 1000\nid: orders=16@3f2a9c01.0aa4c8f1e2d3\n\nid: orders=17@3f2a9c01.8b1d44aa0c12\n\
                          data: {\"context\":\"orders\",\"position\":17,\"event_type\":\"OrderPlaced\"}\n\n"),
              Problem)
)]
async fn stream(
    State(app): State<Api>,
    _: Caller,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Problem> {
    let filter = Filter::take(&mut params)?;
    let from = from(&headers, &mut params)?;
    params.finish()?;
    let (feed, open) = (app.feed.clone(), app.feed.enter()?);
    let mut followed = BTreeMap::new();
    for context in &filter.contexts {
        let tail = feed.tail(*context).await?.clone();
        // Whoever follows before it looks where the store ends is woken by what comes after.
        let mut known = tail.follow();
        let changes = known.borrow_and_update().changes;
        let place = begin(&tail, *context, &from).await?;
        followed.insert(*context, Followed { tail, known, place, changes });
    }
    let FeedSettings { heartbeat, stall_max, .. } = feed.0.settings;
    let following = Stream { filter, followed, heartbeat, stall_max, shutdown: feed.0.shutdown.clone() };
    let (to, from) = mpsc::channel(1);
    tokio::spawn(async move {
        following.run(to).await;
        drop(open);
    });
    Ok(body(from))
}

fn body(from: mpsc::Receiver<Bytes>) -> Response {
    let pieces = futures::stream::unfold(from, async |mut from| {
        let piece = from.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), from))
    });
    let headers =
        [(CONTENT_TYPE, "text/event-stream; charset=utf-8"), (CACHE_CONTROL, "no-store"), (ACCEL_BUFFERING, "no")];
    (StatusCode::OK, headers, Body::from_stream(pieces)).into_response()
}

fn from(headers: &HeaderMap, params: &mut Params) -> Result<Begin, Problem> {
    const FROM: &str = "from";
    const HEADER: &str = "Last-Event-ID";
    let asked = match params.text(FROM)? {
        None | Some("now") => Begin::Now,
        Some("start") => Begin::Start,
        Some(text) => {
            let places = text.parse();
            Begin::Places(
                FROM,
                places
                    .map_err(|why| Problem::bad_parameter(FROM, format!("it is `now`, `start` or a place: {why}")))?,
            )
        }
    };
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    let Some(value) = values.next() else { return Ok(asked) };
    let bad = |why: String| Problem::bad_parameter(HEADER, why);
    if values.next().is_some() {
        return Err(bad("it may be given once".to_owned()));
    }
    let text = value.to_str().map_err(|_| bad("it is not plain ASCII".to_owned()))?;
    // A browser that has got no id yet sends none, or an empty one.
    if text.is_empty() { Ok(asked) } else { Ok(Begin::Places(HEADER, text.parse().map_err(bad)?)) }
}

/// Where to begin in a store.
async fn begin(tail: &Tail, context: Context, from: &Begin) -> Result<Place, Problem> {
    let away = |error: StoreError| away(context, &error);
    let head = tail.head().await.map_err(away)?;
    let start = Place { history: head.history, position: Position::ZERO, event_id: None };
    let (name, told) = match from {
        Begin::Start => return Ok(start),
        Begin::Now => return Ok(Place { position: head.position, event_id: head.event_id, ..start }),
        Begin::Places(name, told) => (*name, told.0.get(&context)),
    };
    let Some(told) = told else { return Ok(start) };
    let Told { position, .. } = *told;
    let event_id = tail.event_at(position).await.map_err(away)?;
    if told.is_event(event_id) {
        // Also in another history: where the same event stands, nothing was lost up to there.
        return Ok(Place { position, event_id, ..start });
    }
    if told.is_by_hand() {
        let why = format!("`{context}` ends at {}, so that nothing stands at {position}", head.position);
        return Err(Problem::bad_parameter(name, why));
    }
    Err(Problem::new(StatusCode::CONFLICT, "events-lost", lost(context)).at(name, "what stood there is gone"))
}

fn away(context: Context, error: &StoreError) -> Problem {
    tracing::warn!(%context, %error, "Nobody can follow the store of `{context}`: {error}");
    let detail = format!("the store of `{context}` cannot be reached just now; come back with the same place");
    Problem::unavailable("events-unavailable", detail, RETRY_AFTER_S)
}
