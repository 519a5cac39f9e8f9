//! `handsel trigger EVENT`

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use envelope::Timestamp;
use event_schemas::published::published;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use tokio::time::{Instant, sleep, timeout};
use url::Url;
use uuid::Uuid;

use crate::commands::events;
use crate::follow::{Follower, Wanted};
use crate::output;
use crate::recipes::{Step, recipe};

/// How long anything may take to happen.
const WAIT_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the lease of an example holds.
const SOON: Duration = Duration::from_secs(10 * 60);
/// Who the events say has asked.
const CALLER: &str = "trigger";
/// What products are in other words than the event has.
const ALIASES: [(&str, &str); 1] = [("products.product-published", "products.product-approved")];

/// Makes an event happen, through the requests that clients send: for whoever writes something that follows events.
/// Everything that it needs is made anew: a product, an order, its payment by the simulated provider.
#[derive(Args, Debug)]
pub struct Trigger {
    /// Which event, such as `orders.order-placed` or `payments.captured`.
    #[arg(required_unless_present = "list")]
    event: Option<String>,

    /// Show which events can be made to happen.
    #[arg(long)]
    list: bool,

    /// Where the API is.
    #[arg(long, env = "HANDSEL_URL", default_value = "http://127.0.0.1:8420")]
    url: Url,
}

impl Trigger {
    /// Makes it happen.
    ///
    /// # Errors
    /// If nothing leads to the event, the server refuses, or the event did not come.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Some(name) = self.event.filter(|_| !self.list) else {
            known().iter().try_for_each(output::line)?;
            return Ok(ExitCode::SUCCESS);
        };
        let event = resolved(&name)?;
        let steps = recipe(&event).unwrap_or_default();
        let context = event.split('.').next().map(str::to_owned);
        let wanted =
            Wanted { context, r#type: Some(event.clone()), aggregate: None, from: "now".into(), url: self.url.clone() };
        let mut follower = Follower::new(&wanted)?;
        // What happens before somebody follows would not be seen.
        follower.begin().await?;
        let run = Run::new(self.url)?;
        for (number, step) in steps.into_iter().flatten().enumerate() {
            run.step(number, *step).await?;
        }
        let seen = async {
            loop {
                let found = follower.next().await?;
                if run.is_about(&found.data.to_string()) {
                    return anyhow::Ok(found.data);
                }
            }
        };
        let late = |_| {
            anyhow::anyhow!("`{event}` did not happen within {} s; `handsel doctor` may say why", WAIT_MAX.as_secs())
        };
        let event = timeout(WAIT_MAX, seen).await.map_err(late)??;
        output::line(events::line(&event))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The dotted names of events that something leads to.
fn known() -> BTreeSet<String> {
    published().iter().map(|event| event.dotted()).filter(|name| recipe(name).is_some()).collect()
}

/// The event that is meant: by its whole name, or without the word that all events of the context begin with.
fn resolved(name: &str) -> anyhow::Result<String> {
    let known = known();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, event)| event);
    if known.contains(alias) {
        return Ok(alias.to_owned());
    }
    let short = alias.split_once('.').and_then(|(context, rest)| {
        let mut meant = known
            .iter()
            .filter(|event| event.strip_prefix(context).is_some_and(|event| event.ends_with(&format!("-{rest}"))));
        meant.next().filter(|_| meant.next().is_none())
    });
    short.cloned().ok_or_else(|| {
        anyhow::anyhow!(
            "no request leads to `{name}`; `handsel trigger --list` shows which events can be made to happen"
        )
    })
}

/// The requests that lead to one event.
struct Run {
    http: Client,
    url: Url,
    /// New each time.
    ids: [(&'static str, String); 3],
    key: Uuid,
}

impl Run {
    fn new(url: Url) -> anyhow::Result<Self> {
        let ids = ["{product}", "{order}", "{account}"].map(|name| (name, Uuid::now_v7().to_string()));
        Ok(Self { http: Client::builder().timeout(WAIT_MAX).build()?, url, ids, key: Uuid::new_v4() })
    }

    /// Whether an event tells of something that was made here.
    fn is_about(&self, event: &str) -> bool {
        self.ids.iter().any(|(_, id)| event.contains(id))
    }

    fn filled(&self, text: &str) -> String {
        let soon = Timestamp::new(platform::clock::now().utc() + SOON);
        let filled = self.ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id));
        filled.replace("{soon}", &soon.to_string())
    }

    fn request(&self, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        let url = format!("{}{}", self.url.as_str().trim_end_matches('/'), self.filled(path));
        Ok(self.http.request(method, Url::parse(&url)?).header("handsel-caller", CALLER))
    }

    async fn step(&self, number: usize, step: Step) -> anyhow::Result<()> {
        let (method, path, kind, body) = match step {
            Step::Post(path, body) => (Method::POST, path, "application/json", body),
            Step::Put(path, body) => (Method::PUT, path, "application/json", body),
            Step::Patch(path, body) => (Method::PATCH, path, "application/merge-patch+json", body),
            Step::Delete(path) => (Method::DELETE, path, "application/json", ""),
            Step::Await(path, shows) => return self.until(path, shows).await,
        };
        let begun = Instant::now();
        loop {
            let mut request =
                self.request(method.clone(), path)?.header("idempotency-key", format!("\"{}-{number}\"", self.key));
            if method != Method::POST {
                request = request.header("if-match", "*");
            }
            if !body.is_empty() {
                request = request.header("content-type", kind).body(self.filled(body));
            }
            let answer = request.send().await?;
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            let said = answer.text().await?;
            // The same request again does nothing twice.
            if status != StatusCode::SERVICE_UNAVAILABLE || begun.elapsed() > WAIT_MAX {
                anyhow::bail!("{method} {} was refused ({status}): {said}", self.filled(path));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn until(&self, path: &str, shows: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let answer = self.request(Method::GET, path)?.send().await?.text().await?;
            if answer.contains(shows) {
                return Ok(());
            }
            anyhow::ensure!(
                begun.elapsed() < WAIT_MAX,
                "{} did not come to show {shows} within {} s: {answer}",
                self.filled(path),
                WAIT_MAX.as_secs()
            );
            sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_meant_by_its_name_with_or_without_what_all_of_its_context_begin_with() {
        for (name, event) in [
            ("orders.order-placed", "orders.order-placed"),
            ("orders.placed", "orders.order-placed"),
            ("payments.captured", "payments.payment-captured"),
            ("products.product-published", "products.product-approved"),
        ] {
            assert_eq!(resolved(name).unwrap(), event);
        }
        for name in ["", "orders", "orders.", "orders.order", "payments.requested", "gigs.placed", "orders.order-plced"]
        {
            assert!(resolved(name).is_err(), "{name}");
        }
    }

    #[test]
    fn nearly_everything_that_can_happen_can_be_made_to_happen() {
        let all: BTreeSet<_> = published().iter().map(|event| event.dotted()).collect();
        let missing: Vec<_> = all.difference(&known()).cloned().collect();
        assert_eq!(missing, ["payments.payment-void-dropped"]);
    }
}
