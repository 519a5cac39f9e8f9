//! Read your writes: a query that names an event is never answered without it.

use std::time::Duration;

use envelope::{History, Position};
use event_schemas::{Context, PARTITIONS};
use platform::token::{ConsistencyToken, HEADER};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::Check;
use crate::subject::StoreOf;
use crate::{Outcome, Subject, places};

const INVARIANTS: &[&str] = &["I13"];
/// The newest events of each context that are asked for.
const EVENTS_MAX: i64 = 50;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "queries with a token", run: |subject| Box::pin(check(subject)) };

/// An event that a query must know.
#[derive(sqlx::FromRow)]
struct Newest {
    position: i64,
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
}

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    if subject.options.apis.is_empty() {
        let outcome = Outcome::of(INVARIANTS, "queries with a token are never answered with what is older");
        return Ok(vec![outcome.not_looked_at("nobody answers queries here, and none was named (--api)")]);
    }
    let client = Client::builder().timeout(REQUEST_TIMEOUT).build()?;
    let mut outcomes = Vec::new();
    for (context, store) in &subject.stores {
        for url in &subject.options.apis {
            let what = format!("queries of {context} at {url} are never older than their token");
            let mut outcome = Outcome::of(INVARIANTS, what);
            let asked = Asked { subject, client: &client, url, context: *context };
            asked.newest(store, &mut outcome).await?;
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}

struct Asked<'s> {
    subject: &'s Subject,
    client: &'s Client,
    url: &'s str,
    context: Context,
}

/// What came of a question.
enum Answer {
    Fresh,
    /// It would have been too old, and was refused.
    Late(String),
    Older(String),
}

impl Asked<'_> {
    /// Asks for the newest events of a store, each in the view of its context and in the log of all events.
    async fn newest(&self, store: &StoreOf, outcome: &mut Outcome) -> anyhow::Result<()> {
        let history = store.reader.head().await?.history;
        let newest: Vec<Newest> = sqlx::query_as(
            "select position, aggregate_type, aggregate_id, sequence from events order by position desc limit $1",
        )
        .bind(EVENTS_MAX)
        .fetch_all(&store.database)
        .await?;
        let (mut queries, mut refused) = (0_u64, 0_u64);
        for event in &newest {
            let token = self.token(history, event);
            for path in self.of_context(event).into_iter().chain([self.of_log(event)]) {
                queries += 1;
                refused += self.ask(&path, &token, event, outcome).await?;
            }
        }
        outcome.see("queries", queries);
        outcome.see("refusals before an answer", refused);
        Ok(())
    }

    /// As the APIs make one for whoever did this.
    fn token(&self, history: History, event: &Newest) -> String {
        let partition = platform::kafka::partition_of(&event.aggregate_id, PARTITIONS);
        let touched = [(partition, Position(event.position))];
        ConsistencyToken::of(self.context.name(), history, &touched).encode(&self.subject.tokens)
    }

    /// Where its aggregate is shown, if it is by itself.
    fn of_context(&self, event: &Newest) -> Option<String> {
        Some(match self.context {
            Context::Identity => format!("/v1/accounts/{}", event.aggregate_id),
            Context::Orders => format!("/v1/orders/{}", event.aggregate_id),
            Context::Products => match event.aggregate_id.split_once('/') {
                Some((product, sku)) => format!("/v1/products/{product}/stock/{sku}"),
                // What an order has reserved is shown with the stock.
                None if event.aggregate_type == "reservation" => return None,
                None => format!("/v1/products/{}", event.aggregate_id),
            },
            Context::Payments => format!("/v1/payments/{}", event.aggregate_id),
        })
    }

    fn of_log(&self, event: &Newest) -> String {
        format!("/v1/events?filter[context]={}&filter[aggregate]={}&limit=100", self.context, event.aggregate_id)
    }

    /// Asks until it is answered, or not at all in the time that it is given. How often it was refused as too early.
    async fn ask(&self, path: &str, token: &str, event: &Newest, outcome: &mut Outcome) -> anyhow::Result<u64> {
        let deadline = Instant::now() + self.subject.options.settle_max;
        let mut refused = 0;
        loop {
            match self.once(path, token, event).await? {
                Answer::Fresh => return Ok(refused),
                Answer::Older(reason) => {
                    let Newest { position, .. } = event;
                    outcome.violated(format!("{path} with a token of {} {position}: {reason}", self.context));
                    return Ok(refused);
                }
                Answer::Late(_) if Instant::now() < deadline => {
                    refused += 1;
                    places::pause().await;
                }
                Answer::Late(said) => {
                    outcome.violated(format!("{path}: no answer within the time that was given: {said}"));
                    return Ok(refused);
                }
            }
        }
    }

    async fn once(&self, path: &str, token: &str, event: &Newest) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        let answer = self.client.get(&url).header(HEADER, token).send().await?;
        let status = answer.status();
        let warned = answer.headers().contains_key(reqwest::header::WARNING);
        let body: Value = answer.json().await.unwrap_or_default();
        let code = body["code"].as_str().unwrap_or_default();
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            return Ok(Answer::Late(format!("{status} {code}")));
        }
        if warned {
            return Ok(Answer::Older("it says that the token is of another history".to_owned()));
        }
        let newest = match body["data"].as_array() {
            Some(events) => newest_of(events, event),
            None => body["version"].as_i64(),
        };
        Ok(match newest {
            Some(version) if status.is_success() && version >= event.sequence => Answer::Fresh,
            Some(version) => Answer::Older(format!("it shows version {version} and not {}", event.sequence)),
            None => Answer::Older(format!("it is answered {status} {code} and shows nothing")),
        })
    }
}

/// The sequence of the event if it is listed, or why that cannot be said: a page that is full may end before it.
fn newest_of(events: &[Value], event: &Newest) -> Option<i64> {
    let listed = events.iter().filter_map(|one| one["sequence"].as_i64());
    let full = events.len() >= 100;
    listed.max().map(|newest| if full { newest.max(event.sequence) } else { newest })
}
