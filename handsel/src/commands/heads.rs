//! `handsel heads`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use event_schemas::Context;

use crate::settings::Settings;
use crate::{heads, output};

/// Shows by which key the heads of stores are signed and checked, where they lie, and the newest that lies there.
#[derive(Args, Debug)]
pub struct Heads {
    /// Show the public key and nothing else: what HANDSEL_HEADS_PUBLIC_KEY of whoever checks wants.
    #[arg(long)]
    public_key: bool,

    #[command(flatten)]
    settings: Settings,
}

impl Heads {
    /// Shows.
    ///
    /// # Errors
    /// If there is no key yet, or a file cannot be read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let trusted = heads::trusted(&self.settings)?;
        // The own key is the last; others were named.
        let own = trusted.last().context(
            "nothing was signed here yet: start `handsel up` or `handsel relay` first, or set HANDSEL_HEADS_KEY",
        )?;
        if self.public_key {
            output::line(own)?;
            return Ok(ExitCode::SUCCESS);
        }
        output::line(format!("public key: {own}"))?;
        output::line(format!("topic: {}", self.settings.topics.heads()))?;
        for context in Context::ALL {
            let book = heads::book(&self.settings, context);
            let (path, found) = (book.path().display(), book.read()?.heads);
            match found.last() {
                Some(head) => output::line(format!(
                    "{context}: {path} holds {}, the newest of position {} at {}",
                    found.len(),
                    head.statement.position,
                    head.statement.at
                ))?,
                None => output::line(format!("{context}: {path} holds none"))?,
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
