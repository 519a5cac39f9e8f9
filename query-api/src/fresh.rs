//! Read your writes: waits until a view shows what a token tells of.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::WARNING;
use axum::response::{IntoResponse, Response};
use envelope::{History, Position};
use event_schemas::Context;
use platform::problem::{Explanation, Problem};
use platform::progress::{Seen, WHOLE_STORE};
use platform::token::ConsistencyToken;
use tokio::time::{Instant, sleep_until};

use crate::app::{App, failed};

/// How often the checkpoints are read of views that another process builds.
const POLL_EVERY: Duration = Duration::from_millis(15);
const RETRY_AFTER_S: u32 = 1;
const OTHER_HISTORY: &str = "299 handsel \"the token is of another history of the store, which lost events; \
                             what you did may be gone: look, and drop the token\"";

/// What a query with a token may be answered.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "not-yet-visible",
        503,
        "The view does not show yet what the Consistency-Token tells of. Repeat after Retry-After.",
    ),
    Explanation::new(
        "parked",
        503,
        "The view could not take in what you did and has set it aside. An operator must look.",
    ),
];

/// The view has what the token tells of, or never will.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fresh {
    other_history: bool,
}

impl Fresh {
    /// For a view that is waited for elsewhere.
    pub(crate) fn new(other_history: bool) -> Self {
        Self { other_history }
    }

    /// Adds the warning that what was asked for cannot be waited for: to a refusal too, for which it may be the reason.
    pub(crate) fn answer(self, body: impl IntoResponse) -> Response {
        let mut response = body.into_response();
        if self.other_history {
            response.headers_mut().insert(WARNING, HeaderValue::from_static(OTHER_HISTORY));
        }
        response
    }
}

/// Waits for the parts of the token that the view reads.
pub(crate) async fn fresh(app: &App, view: &str, of: &[Context], token: &ConsistencyToken) -> Result<Fresh, Problem> {
    let mut fresh = Fresh::default();
    let wanted: Vec<_> =
        token.touched.iter().filter(|((name, _), _)| of.iter().any(|context| context.name() == name)).collect();
    if wanted.is_empty() || platform::faults::planted("token-ignored") {
        return Ok(fresh);
    }
    let deadline = Instant::now() + app.wait_max;
    let (mut in_time, mut whole) = (true, true);
    for ((context, partition), place) in &wanted {
        let seen = match app.progress.wait(view, context, *partition, **place, deadline).await {
            Some(seen) => seen,
            None => poll(app, view, context, *partition, **place, deadline).await?,
        };
        match seen {
            Seen::Reached { whole: all } => whole &= all,
            Seen::OtherHistory => fresh.other_history = true,
            Seen::Late => {
                in_time = false;
                break;
            }
        }
    }
    if in_time && whole {
        return Ok(fresh);
    }
    let positions = wanted.iter().map(|((context, _), (_, position))| (context.clone(), position.0));
    refuse_parked(app, view, positions.unzip()).await?;
    if in_time { Ok(fresh) } else { Err(late(view)) }
}

/// For views that another process builds: their checkpoints say how far they are.
async fn poll(
    app: &App,
    view: &str,
    context: &str,
    partition: i32,
    (history, position): (History, Position),
    deadline: Instant,
) -> Result<Seen, Problem> {
    loop {
        let place = sqlx::query!(
            "select c.history, c.position
               from read.checkpoints c join read.generations g using (projection, generation)
              where g.state = 'live' and c.projection = $1 and c.context = $2 and c.partition in ($3, $4)
              order by c.partition desc limit 1",
            view,
            context,
            partition,
            WHOLE_STORE,
        )
        .fetch_optional(&app.views)
        .await
        .map_err(failed)?;
        match place {
            Some(at) if at.history != history.0 => return Ok(Seen::OtherHistory),
            Some(at) if at.position >= position.0 => return Ok(Seen::Reached { whole: false }),
            Some(_) | None if Instant::now() >= deadline => return Ok(Seen::Late),
            Some(_) | None => sleep_until(deadline.min(Instant::now() + POLL_EVERY)).await,
        }
    }
}

/// What the token tells of is parked, or is of an aggregate that is parked and will be put behind what is there: the
/// view passes it without showing it, and waiting does not help. Which aggregate a position is of, the audit log knows;
/// as long as it does not, only what is parked itself can be told.
async fn refuse_parked(app: &App, view: &str, (contexts, positions): (Vec<String>, Vec<i64>)) -> Result<(), Problem> {
    let parked = sqlx::query_scalar!(
        r#"select 1 as "one!"
           from read.parked p join read.generations g using (projection, generation)
           join unnest($2::text[], $3::bigint[]) as wanted(context, position)
             on wanted.context = p.context and wanted.position >= p.position
           left join read.audit_log a on a.context = wanted.context and a.position = wanted.position
          where g.state = 'live' and p.projection = $1
            and (p.position = wanted.position
                 or (a.aggregate_type, a.aggregate_id) = (p.aggregate_type, p.aggregate_id)) limit 1"#,
        view,
        &contexts,
        &positions,
    )
    .fetch_optional(&app.views)
    .await
    .map_err(failed)?;
    if parked.is_none() {
        return Ok(());
    }
    let detail = format!(
        "the view `{view}` could not take in what you did and has parked it; an operator must look \
         (`handsel parked list`); without the token you get the view as it is"
    );
    Err(Problem::unavailable("parked", detail, 60).at("Consistency-Token", "parked"))
}

pub(crate) fn late(view: &str) -> Problem {
    let detail = format!(
        "the view `{view}` does not show yet what the token tells of; repeat the request, \
         or leave the token out to get the view as it is"
    );
    Problem::unavailable("not-yet-visible", detail, RETRY_AFTER_S).at("Consistency-Token", "not reached in time")
}
