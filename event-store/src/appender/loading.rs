//! Reads aggregates for a whole batch in one query: the newest usable snapshot of each and the events after it.

use std::collections::HashMap;
use std::sync::Arc;

use envelope::Position;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::batcher::Loaded;
use super::decision::{Stream, StreamId};
use super::rows::Names;
use super::sql;
use crate::StoreError;
use crate::codec::State;

/// One aggregate and what was read of it, or why it cannot be read.
pub(crate) type LoadedStreams = Vec<(StreamId, Result<Loaded, StoreError>)>;

/// A snapshot is used only if the store has the event it stands at, and its shape is that of today's state.
///
/// Each `offset 0` keeps the planner from turning the look-up by key into a join: on a table whose statistics are older
/// than its rows, as after an import, it takes a hash join that reads the whole store for every batch.
const LOAD: &str = "
    with wanted as (
        select * from unnest($1::text[], $2::text[], $3::text[]) with ordinality
            as w (aggregate_type, aggregate_id, shape, n)
    ), usable as (
        select w.n, s.sequence, e.position, s.state::text as state
          from wanted w
          join lateral (select * from snapshots s
                         where s.aggregate_type = w.aggregate_type and s.aggregate_id = w.aggregate_id
                           and s.shape = w.shape offset 0) s on true
          join lateral (select e.position from events e
                         where e.aggregate_type = s.aggregate_type and e.aggregate_id = s.aggregate_id
                           and e.sequence = s.sequence and e.event_id = s.event_id offset 0) e on true
    )
    select e.position, e.aggregate_type, e.aggregate_id, e.sequence, e.event_id, e.event_type, e.event_version,
           e.payload::text as payload, e.metadata::text as metadata, e.recorded_at, e.chain,
           w.n, null::text as state
      from wanted w
      left join usable u on u.n = w.n
      join lateral (select * from events e
                     where e.aggregate_type = w.aggregate_type and e.aggregate_id = w.aggregate_id
                       and e.sequence > coalesce(u.sequence, 0) offset 0) e on true
    union all
    select u.position, '', '', u.sequence, null, '', '', '', '', null, null, u.n, u.state
      from usable u
     order by 12, 4";

/// Which snapshots to look for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Snapshots {
    /// Those of today's shape.
    Usable,
    /// None: the events are the truth.
    Ignored,
}

/// Reads these aggregates; one that does not exist is empty.
pub(crate) async fn load(connection: &mut PgConnection, streams: &[Stream]) -> Result<LoadedStreams, StoreError> {
    let mut loaded = read(connection, streams, Snapshots::Usable).await?;
    for (stream, (_, outcome)) in streams.iter().zip(&mut loaded) {
        if let Err(Unfit::TornSnapshot) = outcome {
            let (aggregate_type, aggregate_id) = (stream.id.aggregate_type, &stream.id.aggregate_id);
            tracing::warn!(aggregate_type, %aggregate_id, "A snapshot cannot be read; the events are read instead");
            let again = read(connection, std::slice::from_ref(stream), Snapshots::Ignored).await?;
            *outcome = again.into_iter().next().map_or(Err(Unfit::TornSnapshot), |(_, outcome)| outcome);
        }
    }
    Ok(loaded.into_iter().map(|(id, outcome)| (id, outcome.map_err(StoreError::from))).collect())
}

/// Why what was read of an aggregate is not its state.
enum Unfit {
    /// Its shape said that it fits, and it does not; the events before it were not read.
    TornSnapshot,
    Broken(StoreError),
}

impl From<Unfit> for StoreError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Broken(error) => error,
            Unfit::TornSnapshot => Self::Damaged {
                position: Position::ZERO,
                reason: "a snapshot was found where none was asked for".to_owned(),
            },
        }
    }
}

async fn read(
    connection: &mut PgConnection,
    streams: &[Stream],
    snapshots: Snapshots,
) -> Result<Vec<(StreamId, Result<Loaded, Unfit>)>, StoreError> {
    let shape = |stream: &Stream| match stream.kind.snapshots() {
        Some(policy) if snapshots == Snapshots::Usable => policy.shape.clone(),
        Some(_) | None => String::new(),
    };
    let rows = sqlx::query(LOAD)
        .bind(streams.iter().map(|stream| stream.id.aggregate_type).collect::<Vec<_>>())
        .bind(streams.iter().map(|stream| &*stream.id.aggregate_id).collect::<Vec<_>>())
        .bind(streams.iter().map(shape).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut read: HashMap<i64, Reading> = HashMap::new();
    let mut names = Names::default();
    for row in rows {
        let n: i64 = row.try_get(11)?;
        let Some(stream) = usize::try_from(n - 1).ok().and_then(|at| streams.get(at)) else { continue };
        let reading = read.entry(n).or_insert_with(|| Reading::new(stream));
        match row.try_get::<Option<&str>, _>(12)? {
            Some(state) => reading.take_snapshot(stream, state, row.try_get(3)?, Position(row.try_get(0)?)),
            None => match sql::event_row(&row, &mut names) {
                Ok(event) => reading.take_event(&event),
                Err(error) => reading.fail(error),
            },
        }
    }
    let mut loaded = Vec::with_capacity(streams.len());
    for (stream, n) in streams.iter().zip(1..) {
        let reading = read.remove(&n).unwrap_or_else(|| Reading::new(stream));
        loaded.push((stream.id.clone(), reading.finish()));
    }
    Ok(loaded)
}

/// As [`load`]; what Postgres refuses for one aggregate stops that one alone.
pub(crate) async fn load_all(connection: &mut PgConnection, streams: &[Stream]) -> Result<LoadedStreams, StoreError> {
    match load(connection, streams).await {
        Err(StoreError::Database(_)) => {}
        loaded => return loaded,
    }
    let mut loaded = LoadedStreams::with_capacity(streams.len());
    for stream in streams {
        match load(connection, std::slice::from_ref(stream)).await {
            Ok(one) => loaded.extend(one),
            Err(error @ StoreError::Database(_)) => loaded.push((stream.id.clone(), Err(error))),
            Err(error) => return Err(error),
        }
    }
    Ok(loaded)
}

/// An aggregate while its rows come in.
struct Reading {
    sequence: i64,
    last_position: Position,
    state: Box<dyn State>,
    unfit: Option<Unfit>,
}

impl Reading {
    fn new(stream: &Stream) -> Self {
        let state = Arc::clone(&stream.kind).empty();
        Self { sequence: 0, last_position: Position::ZERO, state, unfit: None }
    }

    fn take_snapshot(&mut self, stream: &Stream, state: &str, sequence: i64, position: Position) {
        match Arc::clone(&stream.kind).from_snapshot(state) {
            Some(state) => (self.state, self.sequence, self.last_position) = (state, sequence, position),
            None => self.unfit = Some(Unfit::TornSnapshot),
        }
    }

    fn fail(&mut self, error: StoreError) {
        self.unfit.get_or_insert(Unfit::Broken(error));
    }

    fn take_event(&mut self, event: &super::rows::EventRow) {
        if event.sequence != self.sequence + 1 {
            let reason = format!("sequence {} follows {}", event.sequence, self.sequence);
            self.fail(StoreError::Damaged { position: event.position, reason });
        } else if let Err(error) = self.state.apply(event) {
            self.fail(error);
        }
        self.sequence = event.sequence;
        self.last_position = event.position;
    }

    fn finish(self) -> Result<Loaded, Unfit> {
        match self.unfit {
            Some(unfit) => Err(unfit),
            None => Ok(Loaded { sequence: self.sequence, last_position: self.last_position, state: self.state }),
        }
    }
}
