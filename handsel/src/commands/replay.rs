//! `handsel replay`

mod into;

use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use envelope::{History, Position, Recorded};
use event_schemas::{Context, ce_dataschema, ce_source, ce_type};
use event_store::keys::MasterKey;
use event_store::{RawPayload, Reader, Store, StoreError};
use platform::bar::Bar;
use platform::settings::Secret;
use serde::Serialize;

use crate::instance::Instance;
use crate::migrate::store_config;
use crate::output;
use crate::settings::Settings;

/// Events that are read in one short transaction.
const RANGE_EVENTS: i64 = 10_000;

/// Writes events to standard output as CloudEvents 1.0 in JSON, one per line, in the order of their store; or, with
/// --into, copies them into an empty instance.
#[derive(Args, Debug)]
pub struct Replay {
    /// Only this context. [default: all, one after the other]
    #[arg(long)]
    context: Option<Context>,

    /// The first position.
    #[arg(long, value_name = "POSITION", default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    from: i64,

    /// The last position. [default: the newest]
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<i64>,

    /// Copy everything into the empty Postgres database at this URL instead: the same ids, the same chain, and read
    /// models built from it.
    #[arg(long, value_name = "URL", conflicts_with_all = ["context", "from", "to"])]
    into: Option<Secret>,

    /// Carry the keys of personal data along; without them it reads as erased there.
    #[arg(long, requires = "into")]
    with_keys: bool,

    /// The master key of the instance that is filled. [default: that of this one]
    #[arg(long, env = "HANDSEL_TARGET_MASTER_KEY", value_name = "BASE64", hide_env_values = true)]
    target_master_key: Option<Secret>,

    #[command(flatten)]
    settings: Settings,
}

/// An event as CloudEvents 1.0, structured mode. Extension attributes are lower-case letters and digits.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: String,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    dataschema: String,
    partitionkey: &'a str,
    sequence: String,
    aggregatetype: &'a str,
    eventname: &'a str,
    eventversion: &'a str,
    actor: &'a str,
    correlationid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    position: String,
    history: String,
    data: &'a serde_json::value::RawValue,
}

impl Replay {
    /// Writes.
    ///
    /// # Errors
    /// If a database is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (instance, servers) = Instance::attach(self.settings.clone()).await?;
        let written = async {
            if let Some(url) = &self.into {
                let key = self.target_master_key.as_ref().map(|key| MasterKey::parse(key.expose())).transpose()?;
                let master = match (self.with_keys, key) {
                    (false, _) => None,
                    (true, Some(key)) => Some(key),
                    (true, None) => Some(instance.master()?),
                };
                into::run(&instance, url, master).await?;
                return Ok(ExitCode::SUCCESS);
            }
            for context in Context::ALL.into_iter().filter(|context| self.context.is_none_or(|only| only == *context)) {
                let store = Store::open(store_config(&instance.urls, context)).await?;
                self.write(context, &store.reader()).await?;
            }
            Ok(ExitCode::SUCCESS)
        };
        let written = written.await;
        servers.stop().await?;
        written
    }

    async fn write(&self, context: Context, reader: &Reader) -> anyhow::Result<()> {
        let head = reader.head().await?;
        let last = self.to.unwrap_or(i64::MAX).min(head.position.get());
        let mut at = self.from - 1;
        // Between the lines of a terminal a bar would only be in the way.
        let total = u64::try_from(last - at).unwrap_or_default();
        let bar = (!stdout().is_terminal()).then(|| Bar::new(format!("replay {context}"), Some(total)));
        while at < last {
            let up_to = last.min(at + RANGE_EVENTS);
            let mut lines = Vec::new();
            reader
                .range_copy::<StoreError>(Position(at), Position(up_to), |event| {
                    lines.push(event);
                    Ok(())
                })
                .await?;
            for event in &lines {
                output::line(line(context, head.history, event)?)?;
            }
            if let Some(bar) = &bar {
                bar.add(lines.len() as u64);
            }
            at = up_to;
        }
        bar.map(Bar::finish);
        Ok(())
    }
}

fn line(context: Context, history: History, event: &Recorded<RawPayload>) -> anyhow::Result<String> {
    let data: &serde_json::value::RawValue = serde_json::from_str(event.data.get())
        .with_context(|| format!("the payload of event {} at position {}", event.event_id, event.position))?;
    Ok(serde_json::to_string(&CloudEvent {
        specversion: "1.0",
        id: event.event_id.to_string(),
        source: ce_source(context),
        r#type: ce_type(context, &event.event_type, &event.event_version),
        subject: &event.aggregate_id,
        time: event.recorded_at.to_string(),
        datacontenttype: "application/json",
        dataschema: ce_dataschema(context, &event.event_type, &event.event_version),
        partitionkey: &event.aggregate_id,
        sequence: event.sequence.to_string(),
        aggregatetype: &event.aggregate_type,
        eventname: &event.event_type,
        eventversion: &event.event_version,
        actor: &event.cause.actor,
        correlationid: event.cause.correlation_id.to_string(),
        causationid: event.cause.causation_id.map(|id| id.to_string()),
        traceparent: event.cause.traceparent.as_deref(),
        position: event.position.to_string(),
        history: history.to_string(),
        data,
    })?)
}
