//! The signed heads of an instance: with which key they are signed, whose count, and where they lie.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use event_schemas::Context;
use event_store::Reader;
use event_store::heads::book::Book;
use event_store::heads::{Collected, HeadsConfig, PublicKey, Report, SigningKey, Vouched, compare, signer, topic};
use event_store::recover::Recovered;
use platform::data_dir::HeadsKey;

use crate::instance::Instance;
use crate::settings::Settings;

/// The folder of the files, in the data folder.
const FOLDER: &str = "heads";

/// How a relay of this instance signs; `None` if it is told not to, or cannot: then the log says why, because a relay
/// does its work without.
#[must_use]
pub fn signing(settings: &Settings, contexts: impl IntoIterator<Item = Context>) -> Option<HeadsConfig> {
    let interval = settings.heads.interval()?;
    match signing_key(settings) {
        Ok(key) => {
            tracing::info!(public_key = %key.public(), "Heads of stores are signed by the key {}", key.public());
            let (folder, topic) = (Some(folder(settings)), settings.topics.heads());
            Some(HeadsConfig { key: Arc::new(key), interval, folder, topic })
        }
        Err(error) => {
            tracing::warn!("Heads of stores are not signed: {error:#}");
            contexts.into_iter().for_each(|context| signer::without_key(context.name()));
            None
        }
    }
}

/// The key that was set, else that of the data folder, which is made if need be.
///
/// # Errors
/// If what was set is no key, or the data folder cannot be used.
pub fn signing_key(settings: &Settings) -> anyhow::Result<SigningKey> {
    if let Some(set) = settings.heads.key()? {
        return SigningKey::parse(set.expose()).context("HANDSEL_HEADS_KEY cannot be used");
    }
    let folder = settings.data.directory();
    let key = HeadsKey::read_or_make(&folder)?;
    SigningKey::parse(key.expose()).with_context(|| format!("{} cannot be used", folder.join("heads.key").display()))
}

/// Whose heads count: those that were named, and that of the own key, if there is one. None is made.
///
/// # Errors
/// If what was set is no key.
pub fn trusted(settings: &Settings) -> anyhow::Result<Vec<PublicKey>> {
    let named = settings.heads.heads_public_key.iter().filter(|key| !key.is_empty());
    let mut trusted = named
        .map(|key| key.parse().with_context(|| format!("HANDSEL_HEADS_PUBLIC_KEY cannot be used: `{key}`")))
        .collect::<anyhow::Result<Vec<PublicKey>>>()?;
    if settings.heads.key()?.is_some() || HeadsKey::read(&settings.data.directory())?.is_some() {
        trusted.push(signing_key(settings)?.public());
    }
    Ok(trusted)
}

/// What the store of each context has to agree with before anything is appended to it; nothing if nobody could tell
/// whose heads count.
#[must_use]
pub fn vouched(settings: &Settings, contexts: &[Context]) -> BTreeMap<Context, Vouched> {
    match trusted(settings) {
        Ok(trusted) => {
            let of = |context| Vouched { book: book(settings, context), trusted: trusted.clone() };
            contexts.iter().map(|context| (*context, of(*context))).collect()
        }
        Err(error) => {
            tracing::warn!("Whether a store lost events is not known: {error:#}");
            BTreeMap::new()
        }
    }
}

/// The file of a context's heads.
#[must_use]
pub fn book(settings: &Settings, context: Context) -> Book {
    Book::of(&folder(settings), context.name())
}

/// The heads of a context, from the file and, if there is a broker, the topic.
///
/// # Errors
/// If the file cannot be read or the broker is away.
pub async fn collect(instance: &Instance, context: Context) -> anyhow::Result<Collected> {
    let book = book(&instance.settings, context);
    let mut heads = book.read().with_context(|| format!("reading {}", book.path().display()))?;
    if instance.kafka.brokers.is_some() {
        let kafka = platform::kafka::client_config(&instance.kafka)?;
        heads.extend(topic::read(&kafka, &instance.settings.topics.heads(), context.name()).await?);
    }
    Ok(heads)
}

/// Compares a store with every head that was signed of it.
///
/// # Errors
/// If Postgres or the broker is away. What does not hold stands in the report.
pub async fn verify(instance: &Instance, context: Context, reader: &Reader) -> anyhow::Result<Report> {
    let (heads, trusted) = (collect(instance, context).await?, trusted(&instance.settings)?);
    Ok(compare(reader, &heads, &trusted).await?)
}

/// Signs that a recovery gave up what was signed before, and keeps that with the heads: in the file, and in the topic
/// if there is a broker that does not forget.
///
/// # Errors
/// If there is no key, the file cannot be written or the broker is away.
pub async fn leave_trace(instance: &Instance, context: Context, recovered: &Recovered) -> anyhow::Result<()> {
    let key = signing_key(&instance.settings)?;
    let head = recovered.statement(context.name(), platform::clock::now()).sign(&key);
    let book = book(&instance.settings, context);
    book.append(&head).with_context(|| format!("writing {}", book.path().display()))?;
    if instance.kafka.brokers.is_some() && !instance.embedded_broker {
        let (kafka, topic) = (platform::kafka::client_config(&instance.kafka)?, instance.settings.topics.heads());
        topic::ensure_and_publish(&kafka, &topic, instance.kafka.replication, &head)
            .await
            .with_context(|| format!("writing to {topic}"))?;
    }
    Ok(())
}

fn folder(settings: &Settings) -> PathBuf {
    settings.data.directory().join(FOLDER)
}
