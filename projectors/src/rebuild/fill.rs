//! Fills a generation from the stores. Reading and decoding run ahead of the writing, so that the two overlap.

use std::collections::BTreeMap;

use envelope::Position;
use event_schemas::{Context, PARTITIONS};
use platform::bar::Bar;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Rebuild, RebuildFailed};
use crate::checkpoint::{Cursor, Known, Place};
use crate::checkpoint_rows;
use crate::follower::partitions_of;
use crate::projection::{Batch, Failed};
use crate::step::{Stepped, Target, step, step_decoded};
use crate::stores::{Stores, Unfit, end_of};

/// A piece of a store, read and written at once. Rows that are fed by many events are written once for each piece, so
/// larger ones cost Postgres less.
const PIECE_EVENTS: i64 = 50_000;
/// Pieces that wait to be written.
const AHEAD_PIECES_MAX: usize = 2;
/// Catching up ends when so few events are missing: the rest goes to both generations.
const CLOSE_EVENTS: i64 = 1_000;
/// How often catching up is tried while the store grows.
const ROUNDS_MAX: u32 = 100;

/// A generation on its way to the heads of its stores; all places of a context stand at the same position.
pub(super) struct Filling<'r> {
    rebuild: &'r Rebuild,
    generations: Vec<i32>,
    cursor: Cursor,
    /// How many went in.
    events: u64,
}

struct Piece {
    from: Position,
    last: (Position, Uuid),
    count: usize,
    decoded: Result<Box<dyn Batch>, Failed>,
}

impl<'r> Filling<'r> {
    pub(super) async fn begin(rebuild: &'r Rebuild) -> Result<Self, RebuildFailed> {
        let cursor = Self::load(rebuild, rebuild.generation).await?;
        Ok(Self { rebuild, generations: vec![rebuild.generation], cursor, events: 0 })
    }

    async fn load(rebuild: &Rebuild, generation: i32) -> Result<Cursor, RebuildFailed> {
        let all: Vec<i32> = (0..PARTITIONS).collect();
        let mut places = BTreeMap::new();
        for context in rebuild.model.contexts {
            let history = rebuild.stores.head(*context).await?.history;
            let partitions = partitions_of(rebuild.model, &all).into_iter();
            places.extend(partitions.map(|partition| (Place { context: *context, partition }, history)));
        }
        let mut connection = rebuild.views.acquire().await?;
        Ok(checkpoint_rows::load(&mut connection, rebuild.model.name, generation, &places).await?)
    }

    /// How many events are between here and the heads.
    pub(super) async fn missing(&self) -> Result<u64, RebuildFailed> {
        let mut missing = 0;
        for context in self.rebuild.model.contexts {
            missing += self.head(*context).await?.get() - self.at(*context).get();
        }
        Ok(u64::try_from(missing).unwrap_or_default())
    }

    /// Fills until hardly anything is missing.
    pub(super) async fn catch_up(&mut self, bar: Option<&Bar>) -> Result<(), RebuildFailed> {
        for context in self.rebuild.model.contexts {
            for _ in 0..ROUNDS_MAX {
                let (from, head) = (self.at(*context), self.head(*context).await?);
                if from < head {
                    self.fill(*context, from, head, bar).await?;
                }
                if head.get() - from.get() < CLOSE_EVENTS {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Brings the live generation to the same positions; from then on each batch goes to both. Rows that another
    /// version of the code made are left as they are: this one must not write them.
    pub(super) async fn join_live(mut self, bar: &Bar) -> Result<Self, RebuildFailed> {
        let rebuild = self.rebuild;
        if rebuild.same_code() {
            let mut live = Self::load(rebuild, rebuild.live.generation).await?;
            for (place, held) in live.places() {
                rebuild.stores.check(*place, held).await?;
            }
            for context in rebuild.model.contexts {
                self.catch_up(Some(bar)).await?;
                catch_up(rebuild, &mut live, *context, self.at(*context)).await?;
            }
            for context in rebuild.model.contexts {
                catch_up(rebuild, &mut live, *context, self.at(*context)).await?;
            }
            self.generations.insert(0, rebuild.live.generation);
        }
        self.catch_up(Some(bar)).await?;
        Ok(self)
    }

    /// How many events went in.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    async fn head(&self, context: Context) -> Result<Position, RebuildFailed> {
        Ok(self.rebuild.stores.head(context).await?.position)
    }

    fn at(&self, context: Context) -> Position {
        self.cursor.of(context).map(|(_, held)| held.position).min().unwrap_or_default()
    }

    async fn fill(
        &mut self,
        context: Context,
        from: Position,
        to: Position,
        bar: Option<&Bar>,
    ) -> Result<(), RebuildFailed> {
        let (pieces, mut read) = mpsc::channel(AHEAD_PIECES_MAX);
        let known = self.cursor.known(context);
        let reading = tokio::spawn(read_ahead(self.rebuild.reading(), context, (from, to), known, pieces));
        while let Some(piece) = read.recv().await {
            let count = self.write(context, piece).await?;
            self.events += count;
            if let Some(bar) = bar {
                bar.lag(self.missing().await?);
                bar.add(count);
            }
        }
        reading.await.map_err(|error| RebuildFailed::Outside(error.to_string()))??;
        Ok(())
    }

    async fn write(&mut self, context: Context, piece: Piece) -> Result<u64, RebuildFailed> {
        let rebuild = self.rebuild;
        let target = rebuild.target(&self.generations);
        let moves = self.cursor.plan_store(context, piece.last, std::iter::empty()).moves;
        let quick = match (&piece.decoded, self.generations.as_slice()) {
            (Ok(batch), [one]) => step_decoded(&rebuild.views, target, *one, &**batch, &moves).await,
            _ => Ok(None),
        };
        let stepped = match quick {
            Ok(Some(stepped)) => stepped,
            // Both generations, something parked, or something that now will be.
            Ok(None) | Err(Failed::Event(_)) => {
                let events = rebuild.stores.whole_range(context, piece.from, piece.last.0).await?;
                step(&rebuild.views, target, events, &moves).await?
            }
            Err(error) => return Err(error.into()),
        };
        if stepped == Stepped::Lost {
            return Err(RebuildFailed::Disturbed(rebuild.model.name));
        }
        self.cursor.advance(&moves);
        Ok(u64::try_from(piece.count).unwrap_or_default())
    }
}

/// Reads what the live generation lacks, with each of its partitions where the runner left it.
async fn catch_up(rebuild: &Rebuild, live: &mut Cursor, context: Context, to: Position) -> Result<(), RebuildFailed> {
    let generations = &[rebuild.live.generation];
    while let Some(from) = live.of(context).map(|(_, held)| held.position).min().filter(|from| *from < to) {
        let up_to = to.min(Position(from.get() + PIECE_EVENTS));
        let events = rebuild.stores.range(context, from, up_to, &live.known(context)).await?;
        let last = end_of(&events).ok_or(Unfit::Changed(context))?;
        let partitions = events.iter().map(|event| (crate::stores::partition_of(event), event.position));
        let plan = live.plan_store(context, last, partitions);
        let events = crate::follower::pick(events, &plan.apply);
        if step(&rebuild.views, rebuild.target(generations), events, &plan.moves).await? == Stepped::Lost {
            return Err(RebuildFailed::Disturbed(rebuild.model.name));
        }
        live.advance(&plan.moves);
    }
    Ok(())
}

/// What the reading task needs of a rebuild.
struct Reading {
    model: &'static crate::projection::ReadModel,
    stores: Stores,
    skips: std::collections::HashSet<Uuid>,
}

impl Rebuild {
    fn target<'t>(&'t self, generations: &'t [i32]) -> Target<'t> {
        Target { model: self.model, generations, keys: self.keys.as_ref(), skips: &self.skips }
    }

    fn reading(&self) -> Reading {
        Reading { model: self.model, stores: self.stores.clone(), skips: self.skips.clone() }
    }
}

async fn read_ahead(
    reading: Reading,
    context: Context,
    (mut from, to): (Position, Position),
    mut known: Known,
    pieces: mpsc::Sender<Piece>,
) -> Result<(), Unfit> {
    while from < to {
        let up_to = to.min(Position(from.get() + PIECE_EVENTS));
        let mut events = reading.stores.range(context, from, up_to, &known).await?;
        let last = end_of(&events).ok_or(Unfit::Changed(context))?;
        let count = events.len();
        events.retain(|event| !reading.skips.contains(&event.event_id));
        let decoded = reading.model.decode(events);
        if pieces.send(Piece { from, last, count, decoded }).await.is_err() {
            return Ok(());
        }
        from = last.0;
        known = Known::from([last]);
    }
    Ok(())
}
