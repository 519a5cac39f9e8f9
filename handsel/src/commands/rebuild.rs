//! `handsel rebuild NAME`

use std::process::ExitCode;

use clap::Args;
use event_schemas::Context;
use projectors::{Rebuilt, rebuild};

use crate::instance::Instance;
use crate::output;
use crate::settings::Settings;
use crate::spine::Spine;

/// How many differing rows are shown.
const SHOWN_MAX: usize = 20;

/// Builds a read model again from the stores, beside the live one; compares the two row by row; then shows the new one.
/// Readers never wait. With the same version of the program the rows must be equal.
#[derive(Args, Debug)]
pub struct Rebuild {
    /// The read model, such as sales_summary.
    name: String,

    /// Show the new one although its rows differ: for a new version of the read model.
    #[arg(long)]
    accept: bool,

    #[command(flatten)]
    settings: Settings,
}

impl Rebuild {
    /// Rebuilds.
    ///
    /// # Errors
    /// If there is no such read model, or something around it is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        projectors::registry::find(&self.name)?;
        let (instance, servers) = Instance::attach(self.settings).await?;
        let rebuilt = async {
            let spine = Spine::open(&instance, &Context::ALL).await?;
            let (stores, keys) = (spine.readers(), spine.keys.clone());
            Ok::<_, anyhow::Error>(rebuild(&self.name, &instance.urls.views, stores, keys, self.accept).await?)
        };
        let rebuilt = rebuilt.await;
        servers.stop().await?;
        report(&self.name, &rebuilt?)
    }
}

fn report(name: &str, rebuilt: &Rebuilt) -> anyhow::Result<ExitCode> {
    let seconds = rebuilt.filled_in.as_secs_f64().max(0.001);
    let rate = rebuilt.events as f64 / seconds;
    output::line(format!("{name}: {} events in {seconds:.1} s ({rate:.0}/s)", rebuilt.events))?;
    let compared = &rebuilt.compared;
    output::line(format!("{name}: {} rows compared, {} differ", compared.rows, compared.differing))?;
    for difference in compared.examples.iter().take(SHOWN_MAX) {
        let (live, rebuilt) = (difference.live.as_deref(), difference.rebuilt.as_deref());
        output::line(format!("  {}: live {}, built {}", difference.row, live.unwrap_or("-"), rebuilt.unwrap_or("-")))?;
    }
    if rebuilt.shown {
        output::line(format!("{name}: generation {} is shown", rebuilt.generation))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format!("{name}: the live rows stay; read the differences, then add --accept to show the new ones"))?;
    Ok(ExitCode::FAILURE)
}
