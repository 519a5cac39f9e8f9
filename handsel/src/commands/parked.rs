//! `handsel parked list|retry|skip`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use event_schemas::Context;
use projectors::parked::{self, Freed, Listed};
use uuid::Uuid;

use crate::instance::Instance;
use crate::output;
use crate::settings::Settings;
use crate::spine::Spine;

/// Works on events that could not be applied to a read model. They and all later events of their aggregate are parked;
/// everything else goes on.
#[derive(Args, Debug)]
pub struct Parked {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what is parked and why.
    List {
        /// Only of this read model.
        name: Option<String>,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Apply what is parked again, in order.
    Retry {
        /// The read model.
        name: String,
        #[command(flatten)]
        settings: Box<Settings>,
    },
    /// Leave an event out of a read model for ever, also when it is built again.
    Skip {
        /// The read model.
        name: String,
        /// The event.
        event: Uuid,
        /// Why it may be left out; kept with the event.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

impl Parked {
    /// Does it.
    ///
    /// # Errors
    /// If there is no such read model or event, or a database is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let settings = match &self.action {
            Action::List { settings, .. } | Action::Retry { settings, .. } | Action::Skip { settings, .. } => settings,
        };
        let (instance, servers) = Instance::attach(Settings::clone(settings)).await?;
        let done = async {
            let spine = Spine::open(&instance, &Context::ALL).await?;
            self.action.run(&spine).await
        };
        let done = done.await;
        servers.stop().await?;
        done
    }
}

impl Action {
    async fn run(self, spine: &Spine) -> anyhow::Result<ExitCode> {
        let (views, stores, keys) = (spine.views()?, spine.readers(), spine.keys.as_ref());
        match self {
            Self::List { name, .. } => list(&parked::list(views, name.as_deref()).await?),
            Self::Retry { name, .. } => report(&name, parked::retry(views, &stores, keys, &name).await?),
            Self::Skip { name, event, reason, .. } => {
                let by = std::env::var("USER").unwrap_or_else(|_| "operator".to_owned());
                report(&name, parked::skip(views, &stores, keys, &name, event, (&reason, &by)).await?)
            }
        }
    }
}

fn list(parked: &Listed) -> anyhow::Result<ExitCode> {
    let mut rows =
        vec![["read model", "context", "position", "event", "type", "aggregate", "reason"].map(str::to_owned).to_vec()];
    for one in &parked.events {
        rows.push(vec![
            one.projection.clone(),
            one.context.clone(),
            one.position.to_string(),
            one.event_id.to_string(),
            one.event_type.clone(),
            one.aggregate_id.clone(),
            one.reason.clone(),
        ]);
    }
    if parked.events.is_empty() {
        output::line("nothing is parked")?;
    } else {
        output::table(&rows)?;
    }
    if parked.left_out > 0 {
        output::line(format!("and {} more; name a read model to see its own", parked.left_out))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report(name: &str, Freed { freed, parked }: Freed) -> anyhow::Result<ExitCode> {
    output::line(format!("{name}: {freed} freed, {parked} still parked"))?;
    Ok(if parked == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
