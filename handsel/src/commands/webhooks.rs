//! `handsel webhooks list|deliveries|retry|skip|replay|rotate|test`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::output;

/// How long the API may take.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// How much one answer lists.
const PAGE: usize = 100;
/// How many pages are shown of all webhooks: more than there may be.
const PAGES_MAX: usize = 10;
/// Who asks.
const CALLER: &str = "operator";

/// Works on webhooks of a running instance: shows what became of their messages, sends them again or gives them up,
/// and replaces their secrets.
#[derive(Args, Debug)]
pub struct Webhooks {
    #[command(subcommand)]
    action: Action,

    /// Where the API is.
    #[arg(long, env = "HANDSEL_URL", default_value = "http://127.0.0.1:8420", global = true)]
    url: Url,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show who hears of events.
    List,
    /// Show what became of the newest messages of a webhook.
    Deliveries {
        /// Which one, as `handsel webhooks list` shows it.
        webhook: Uuid,
        /// Only those that are waiting, parked, delivered or skipped.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// Send a message again now, and then what waits behind it.
    Retry {
        /// Of which webhook.
        webhook: Uuid,
        /// Its number, as `handsel webhooks deliveries` shows it.
        number: i64,
    },
    /// Give a message up; what waits behind it goes on.
    Skip {
        /// Of which webhook.
        webhook: Uuid,
        /// Its number, as `handsel webhooks deliveries` shows it.
        number: i64,
    },
    /// Send once more what happened after a place, for a receiver that lost what it had taken.
    Replay {
        /// To which webhook.
        webhook: Uuid,
        /// `start`, or positions such as orders=17,payments=4; a context that is not named goes on where it is.
        #[arg(long, value_name = "PLACE")]
        from: String,
    },
    /// Replace the secret of a webhook. For a while the old one signs too, so that the receiver may change over.
    Rotate {
        /// Of which webhook.
        webhook: Uuid,
        /// For how many seconds the old one signs too; 0 for one that others know. [default: a day]
        #[arg(long, value_name = "SECONDS")]
        overlap_s: Option<u32>,
        /// The new one, if the receiver has it already. [default: one is made and shown]
        #[arg(long, env = "HANDSEL_WEBHOOK_SECRET", value_name = "whsec_…", hide_env_values = true)]
        secret: Option<platform::settings::Secret>,
    },
    /// Send a message of the type `webhook.test`.
    Test {
        /// To which webhook.
        webhook: Uuid,
    },
}

impl Webhooks {
    /// Does it.
    ///
    /// # Errors
    /// If the API is away or refuses, in its words.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let api = Api { http: Client::builder().timeout(ANSWER_WAIT_MAX).build()?, url: self.url };
        match self.action {
            Action::List => list(&api).await?,
            Action::Deliveries { webhook, state } => deliveries(&api, webhook, state).await?,
            Action::Retry { webhook, number } => {
                api.post(&format!("/v1/webhooks/{webhook}/deliveries/{number}/retry"), None).await?;
                output::line(format!("{number} is sent again"))?;
            }
            Action::Skip { webhook, number } => {
                api.post(&format!("/v1/webhooks/{webhook}/deliveries/{number}/skip"), None).await?;
                output::line(format!("{number} is given up"))?;
            }
            Action::Replay { webhook, from } => {
                let answer = api.post(&format!("/v1/webhooks/{webhook}/replay"), Some(json!({ "from": from }))).await?;
                output::line(format!("it goes on after {}", place(&answer["places"])))?;
            }
            Action::Rotate { webhook, overlap_s, secret } => {
                let mut wanted = json!({});
                if let Some(overlap_s) = overlap_s {
                    wanted["overlap_s"] = json!(overlap_s);
                }
                if let Some(secret) = &secret {
                    wanted["secret"] = json!(secret.expose());
                }
                let answer = api.post(&format!("/v1/webhooks/{webhook}/secret"), Some(wanted)).await?;
                output::line(format!("signed with {}", text(&answer, "secret")))?;
                output::line(match answer["replaced_until"].as_str() {
                    Some(until) => format!("and with the old secret until {until}"),
                    None => "and with no other any more".to_owned(),
                })?;
            }
            Action::Test { webhook } => {
                let answer = api.post(&format!("/v1/webhooks/{webhook}/test"), None).await?;
                output::line(format!("{} is on its way", text(&answer, "message")))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(api: &Api) -> anyhow::Result<()> {
    let mut rows = vec![["webhook", "url", "state", "hears of", "why disabled"].map(str::to_owned).to_vec()];
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let page = api.get("/v1/webhooks", &[("cursor", cursor.take())]).await?;
        for hook in page["data"].as_array().into_iter().flatten() {
            let hears = [words(&hook["types"]), words(&hook["contexts"])].into_iter().flatten().next();
            let hears = hears.unwrap_or_else(|| "everything".to_owned());
            let [webhook, url, state] = ["webhook", "url", "state"].map(|name| text(hook, name).to_owned());
            rows.push(vec![webhook, url, state, hears, text(hook, "reason").to_owned()]);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if rows.len() == 1 { output::line("there are no webhooks") } else { output::table(&rows) }
}

async fn deliveries(api: &Api, webhook: Uuid, state: Option<String>) -> anyhow::Result<()> {
    let page = api.get(&format!("/v1/webhooks/{webhook}/deliveries"), &[("filter[state]", state)]).await?;
    let head = ["number", "event", "of", "state", "attempts", "next", "answer", "why"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in page["data"].as_array().into_iter().flatten() {
        let number = |name: &str| one[name].as_i64().map(|number| number.to_string()).unwrap_or_default();
        rows.push(vec![
            number("number"),
            text(one, "event_type").to_owned(),
            text(one, "lane").to_owned(),
            text(one, "state").to_owned(),
            number("attempts"),
            text(one, "next_attempt_at").to_owned(),
            number("status"),
            text(one, "error").to_owned(),
        ]);
    }
    if rows.len() == 1 {
        return output::line("there are none");
    }
    output::table(&rows)?;
    if page["has_more"] == true { output::line("older ones are left out") } else { Ok(()) }
}

/// `orders=17,payments=4`.
fn place(places: &Value) -> String {
    let all = places.as_object().into_iter().flatten();
    all.map(|(context, position)| format!("{context}={position}")).collect::<Vec<_>>().join(",")
}

/// The names in a list, if there are any.
fn words(list: &Value) -> Option<String> {
    let all: Vec<&str> = list.as_array()?.iter().filter_map(Value::as_str).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

struct Api {
    http: Client,
    url: Url,
}

impl Api {
    async fn get(&self, path: &str, query: &[(&str, Option<String>)]) -> anyhow::Result<Value> {
        let mut url = self.place(path)?;
        let given = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        url.query_pairs_mut().append_pair("limit", &PAGE.to_string()).extend_pairs(given);
        self.ask(Method::GET, url, None).await
    }

    async fn post(&self, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        self.ask(Method::POST, self.place(path)?, body).await
    }

    fn place(&self, path: &str) -> anyhow::Result<Url> {
        Ok(Url::parse(&format!("{}{path}", self.url.as_str().trim_end_matches('/')))?)
    }

    /// What it answers; null if it says nothing.
    async fn ask(&self, method: Method, url: Url, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, url).header("handsel-caller", CALLER);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.with_context(|| format!("asking {}", self.url))?;
        let status = answer.status();
        let said = answer.text().await?;
        let read: Value = serde_json::from_str(&said).unwrap_or(Value::Null);
        anyhow::ensure!(status.is_success(), "{} ({status})", read["detail"].as_str().unwrap_or(&said));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_webhook_is_short() {
        assert_eq!(place(&json!({"orders": 17, "payments": 4})), "orders=17,payments=4");
        assert_eq!(words(&json!(["orders", "payments"])).as_deref(), Some("orders, payments"));
        assert_eq!((words(&json!([])), words(&Value::Null)), (None, None));
    }
}
