//! Our store behind `cqrs_es::EventStore`, for programs that use `CqrsFramework`.
//!
//! There the framework loads, decides and commits; a commit names the version it was decided on and is refused with
//! `AggregateConflict` when that is not the newest any more. [`Commands`] needs no such retry and is faster.

use std::collections::{BTreeMap, HashMap};

use cqrs_es::{Aggregate, AggregateContext, AggregateError, EventEnvelope, EventStore};

use crate::appender::Rejection;
use crate::appender::decision::EventsStep;
use crate::commands::submit_with_metadata;
use crate::{Commands, Done, StoreError};

/// `cqrs_es::EventStore` over a store of ours.
pub struct CqrsStore<A: Aggregate>(Commands<A>);

/// An aggregate as it was loaded, with the version to which a commit refers.
pub struct LoadedAggregate<A> {
    aggregate_id: String,
    version: i64,
    aggregate: A,
}

impl<A: Aggregate> CqrsStore<A> {
    /// Takes the door of the aggregate type.
    #[must_use]
    pub fn new(commands: Commands<A>) -> Self {
        Self(commands)
    }
}

impl<A: Aggregate> AggregateContext<A> for LoadedAggregate<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

impl<A> EventStore<A> for CqrsStore<A>
where
    A: Aggregate + Clone + 'static,
    A::Command: Clone + Send + Sync + 'static,
    A::Error: Send + 'static,
{
    type AC = LoadedAggregate<A>;

    async fn load_events(&self, aggregate_id: &str) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let rows = self.0.store().events_of(A::TYPE, aggregate_id).await.map_err(failed)?;
        let envelopes = rows.into_iter().map(|row| {
            Ok(EventEnvelope {
                aggregate_id: row.aggregate_id.to_string(),
                sequence: usize::try_from(row.sequence).unwrap_or_default(),
                payload: self.0.codec().decode(&row).map_err(failed)?,
                metadata: serde_json::from_str(&row.metadata).unwrap_or_default(),
            })
        });
        envelopes.collect()
    }

    async fn load_aggregate(&self, aggregate_id: &str) -> Result<LoadedAggregate<A>, AggregateError<A::Error>> {
        let (version, aggregate) = self.0.load(aggregate_id).await.map_err(failed)?;
        Ok(LoadedAggregate { aggregate_id: aggregate_id.to_owned(), version, aggregate })
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: LoadedAggregate<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let LoadedAggregate { aggregate_id, version, .. } = context;
        let sorted: BTreeMap<_, _> = metadata.iter().collect();
        let json = serde_json::to_string(&sorted).map_err(|error| failed(StoreError::encode(error)))?;
        let step = EventsStep {
            stream: self.0.stream(&aggregate_id),
            expected: version,
            events: events.clone(),
            codec: self.0.codec().clone(),
        };
        let answer = submit_with_metadata(self.0.store(), vec![Box::new(step)], json.into(), None).await;
        let Done { .. } = answer.map_err(refused)?;
        let from = usize::try_from(version).unwrap_or_default() + 1;
        let envelopes = events.into_iter().zip(from..).map(|(payload, sequence)| EventEnvelope {
            aggregate_id: aggregate_id.clone(),
            sequence,
            payload,
            metadata: metadata.clone(),
        });
        Ok(envelopes.collect())
    }
}

fn refused<E: std::error::Error>(rejection: Rejection) -> AggregateError<E> {
    match rejection {
        Rejection::Conflict { .. } => AggregateError::AggregateConflict,
        Rejection::Broken(error) => failed(error),
        Rejection::Rule(_) | Rejection::KeyReused | Rejection::Overloaded | Rejection::Unavailable { .. } => {
            failed(StoreError::Unavailable("the appender did not answer".to_owned()))
        }
    }
}

fn failed<E: std::error::Error>(error: StoreError) -> AggregateError<E> {
    match error {
        error @ StoreError::Unavailable(_) => AggregateError::DatabaseConnectionError(Box::new(error)),
        error @ (StoreError::Decode { .. } | StoreError::Encode(_)) => {
            AggregateError::DeserializationError(Box::new(error))
        }
        error => AggregateError::UnexpectedError(Box::new(error)),
    }
}
