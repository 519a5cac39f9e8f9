//! `handsel events tail`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::follow::{Event, Follower, Wanted};
use crate::output;

/// Shows what happens.
#[derive(Args, Debug)]
pub struct Events {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show events as they happen, one per line, until Ctrl-C. It comes back by itself when the server was away, and
    /// misses none.
    Tail {
        #[command(flatten)]
        wanted: Wanted,

        /// Print each event whole, as JSON, with its place as `id`.
        #[arg(long)]
        json: bool,

        /// End after so many events.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
}

impl Events {
    /// Shows them.
    ///
    /// # Errors
    /// If the server refuses, was never there, or lost what was shown.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Action::Tail { wanted, json, count } = self.action;
        let mut follower = Follower::new(&wanted)?;
        let shown = async {
            let mut left = count.unwrap_or(u64::MAX);
            while left > 0 {
                let event = follower.next().await?;
                output::line(if json { whole(event)? } else { line(&event.data) })?;
                left -= 1;
            }
            anyhow::Ok(())
        };
        let ended = tokio::select! {
            shown = shown => shown,
            ended = tokio::signal::ctrl_c() => ended.map_err(Into::into),
        };
        if let Some(id) = follower.last_id() {
            eprintln!("to go on after this: --from '{id}'");
        }
        ended.map(|()| ExitCode::SUCCESS)
    }
}

fn whole(Event { id, mut data }: Event) -> anyhow::Result<String> {
    data["id"] = Value::String(id);
    Ok(serde_json::to_string(&data)?)
}

/// What a person wants to know of an event: when, where, what, to what, by whom.
pub(crate) fn line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or("?");
    let line = format!(
        "{}  {} {}  {}  {}/{}  by {}",
        text("recorded_at"),
        text("context"),
        event["position"],
        text("event_type"),
        text("aggregate_type"),
        text("aggregate_id"),
        text("actor"),
    );
    // What others have chosen must not move the cursor of a terminal.
    line.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_where_what_to_what_and_by_whom() {
        let event = serde_json::json!({"recorded_at": "2026-11-21T09:00:00Z", "context": "orders", "position": 17,
            "event_type": "OrderPlaced", "aggregate_type": "order", "aggregate_id": "7\u{1b}[2J", "actor": "ana"});
        assert_eq!(line(&event), "2026-11-21T09:00:00Z  orders 17  OrderPlaced  order/7\\u{1b}[2J  by ana");
    }
}
