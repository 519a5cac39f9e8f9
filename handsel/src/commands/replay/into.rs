//! Replaying into an empty instance: the same events with the same ids and chain, and read models built from them.

use anyhow::Context as _;
use envelope::Position;
use event_schemas::Context;
use event_store::copy_in::CopyIn;
use event_store::keys::{KeyRing, MasterKey};
use event_store::{Reader, Store};
use futures::TryStreamExt as _;
use platform::bar::Bar;
use platform::postgres::{PoolSettings, pool};
use platform::settings::Secret;
use projectors::Stores;

use crate::instance::{Instance, Urls};
use crate::migrate::{self, store_config};
use crate::output;
use crate::spine::{Needs, Spine};

/// Events that are read in one short transaction.
const RANGE_EVENTS: i64 = 10_000;
/// Keys that travel in one transaction.
const KEYS_AT_ONCE: usize = 1_000;
/// The read models are built there, so those here may be away.
const NEEDS: Needs = Needs { views: false, tokens: false, ..Needs::ALL };

/// Copies every store into the database at `url`, and the keys if `master` is given, which wraps them there; then
/// builds the read models.
pub(super) async fn run(instance: &Instance, url: &Secret, master: Option<MasterKey>) -> anyhow::Result<()> {
    let stores = Context::ALL.map(|context| (context, url.clone())).into();
    let there = Urls { stores, keys: url.clone(), views: url.clone() };
    migrate::databases(&there).await.context("preparing the empty instance")?;
    let spine = Spine::open_parts(instance, &Context::ALL, NEEDS).await?;
    let mut readers = Vec::new();
    for (context, store) in &spine.stores {
        copy(*context, &store.reader(), &there).await?;
        readers.push((*context, Store::open(store_config(&there, *context)).await?.reader()));
    }
    // What is copied has been reacted to where it comes from.
    let views = pool(&there.views, &PoolSettings::new("handsel replay").connections_max(1)).await?;
    for (context, reader) in &readers {
        reactors::begin_at_head(&views, *context, reader).await?;
    }
    let keys = match (master, &spine.keys) {
        (Some(master), Some(here)) => Some(carry_keys(here, &there, master).await?),
        _ => None,
    };
    for model in projectors::registry::READ_MODELS {
        let stores = Stores::new(readers.clone());
        projectors::rebuild(model.name, &there.views, stores, keys.clone(), true).await?;
    }
    output::line("read models: built")
}

async fn copy(context: Context, reader: &Reader, there: &Urls) -> anyhow::Result<()> {
    let head = reader.head().await?.position;
    let mut copy = CopyIn::begin(&store_config(there, context), reader.origin().await?).await?;
    let bar = Bar::new(format!("replay {context}"), Some(head.get().unsigned_abs()));
    let mut at = Position::ZERO;
    while at < head {
        let up_to = Position((at.get() + RANGE_EVENTS).min(head.get()));
        for event in reader.stored_range(at, up_to).await? {
            copy.push(event).await?;
        }
        at = up_to;
        bar.set(at.get().unsigned_abs());
    }
    let (position, chain) = copy.finish().await?;
    bar.finish();
    output::line(format!("{context}: {position} events, chain {chain}"))
}

/// On the way the keys are wrapped by a key that exists for this moment only.
async fn carry_keys(here: &KeyRing, there: &Urls, master: MasterKey) -> anyhow::Result<KeyRing> {
    let keys_pool = pool(&there.keys, &PoolSettings::new("handsel replay").connections_max(2)).await?;
    let ring = KeyRing::connect(keys_pool, master).await.context("opening the keys of the empty instance")?;
    let transfer = MasterKey::random();
    let mut chunks = here.export_all(&transfer).try_chunks(KEYS_AT_ONCE);
    let (mut keys, mut erased) = (0, 0);
    while let Some(chunk) = chunks.try_next().await.map_err(|error| error.1)? {
        let imported = ring.import(&transfer, &chunk).await?;
        (keys, erased) = (keys + imported.keys, erased + imported.erased);
    }
    output::line(format!("keys: {keys} carried, {erased} erasures"))?;
    Ok(ring)
}
