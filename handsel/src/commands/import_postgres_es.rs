//! `handsel import postgres-es`

use std::process::ExitCode;

use clap::Args;
use event_schemas::Context;
use event_store::Store;
use event_store::adopt::{self, Table};
use platform::bar::Bar;
use platform::postgres::{PoolSettings, pool};
use platform::settings::Secret;

use crate::instance::Instance;
use crate::migrate::{self, store_config};
use crate::output;
use crate::settings::ServerSettings;

/// Adopts the events of a table that postgres-es wrote into the empty store of a context.
///
/// Positions follow the order of rows in the table (ctid), times are those of the adoption, aggregates and sequences
/// stay what they are. Doing it again after it broke off goes on where it stopped. The instance that takes the events
/// is the one of the data folder, or that which DATABASE_URL in the environment names.
#[derive(Args, Debug)]
pub struct ImportPostgresEs {
    /// The context whose store takes the events.
    #[arg(long, env = "HANDSEL_IMPORT_CONTEXT")]
    context: Context,

    /// The database that holds the table.
    #[arg(long, value_name = "URL")]
    database_url: Secret,

    /// The table.
    #[arg(long, env = "HANDSEL_IMPORT_TABLE", value_name = "NAME", default_value = "events")]
    table: String,

    /// The data folder of the instance that takes the events.
    #[arg(long, env = "HANDSEL_DATA_DIR", value_name = "DIR")]
    data_dir: Option<String>,
}

impl ImportPostgresEs {
    /// Adopts.
    ///
    /// # Errors
    /// If the table cannot be read or is damaged, or the store holds something else.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        // `--database-url` is the table's here, so the instance is named by the environment or the folder alone.
        let words = self.data_dir.iter().flat_map(|folder| ["--data-dir", folder]);
        let (instance, servers) = Instance::attach(ServerSettings::from_words(words)?.common).await?;
        let table = Table { url: self.database_url.expose().to_owned(), name: self.table };
        let adopted = async {
            migrate::databases(&instance.urls).await?;
            let store = Store::open(store_config(&instance.urls, self.context)).await?;
            let bar = Bar::new(format!("adopt {}", self.context), None);
            let adopted = adopt::postgres_es(&store, &table, |done, total| {
                bar.total(total);
                bar.set(done);
            })
            .await?;
            bar.finish();
            // What is adopted has been reacted to where it comes from.
            let views = pool(&instance.urls.views, &PoolSettings::new("handsel adopt").connections_max(1)).await?;
            reactors::begin_at_head(&views, self.context, &store.reader()).await?;
            Ok::<_, anyhow::Error>(adopted)
        };
        let adopted = adopted.await;
        servers.stop().await?;
        let adopted = adopted?;
        output::line(format!(
            "{}: {} events adopted, {} of them were there before; the store ends at position {}",
            self.context, adopted.events, adopted.present, adopted.head
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
