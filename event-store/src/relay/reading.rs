//! A Kafka record read back into the event that was stored, for readers of ours.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

use envelope::{Cause, History, Position, Recorded};
use rdkafka::message::{Headers as _, Message};

use super::publishing::name;
use super::start::Mark;
use crate::RawPayload;

/// An event with what tells a reader whether it missed one before it.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The event as the store has it.
    pub event: Recorded<RawPayload>,
    /// The position of the event before it in its partition; 0 if it is the first.
    pub previous: Position,
    /// What the positions mean.
    pub history: History,
}

/// Why a record is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A header is not there.
    #[error("the record has no header `{0}`; it was not written by a relay")]
    Missing(&'static str),
    /// A header is there with a value that means nothing.
    #[error("the header `{0}` of the record cannot be read")]
    Header(&'static str),
    /// The payload is not JSON.
    #[error("the payload of the record is not JSON")]
    Payload,
    /// The key is not text.
    #[error("the key of the record is not an aggregate id")]
    Key,
}

/// Reads the records of one topic. Names that repeat are kept once.
#[derive(Debug)]
pub struct RecordReader {
    context: Arc<str>,
    names: HashSet<Arc<str>>,
}

impl RecordReader {
    /// A reader of the topic of this context.
    #[must_use]
    pub fn new(context: Arc<str>) -> Self {
        Self { context, names: HashSet::new() }
    }

    /// Reads one record.
    ///
    /// # Errors
    /// [`Unreadable`] if it was not written by a relay.
    pub fn read(&mut self, record: &impl Message) -> Result<Delivered, Unreadable> {
        let headers = HeaderValues::of(record);
        let payload = record.payload_view::<str>().and_then(Result::ok).ok_or(Unreadable::Payload)?;
        let event = Recorded {
            position: Position(headers.parsed(name::POSITION)?),
            context: self.context.clone(),
            aggregate_type: self.shared(headers.text(name::AGGREGATE_TYPE)?),
            aggregate_id: record.key_view::<str>().and_then(Result::ok).ok_or(Unreadable::Key)?.to_owned(),
            sequence: headers.parsed(name::SEQUENCE)?,
            event_id: headers.parsed(name::ID)?,
            event_type: self.shared(headers.text(name::EVENT_NAME)?),
            event_version: self.shared(headers.text(name::EVENT_VERSION)?),
            recorded_at: headers.parsed(name::TIME)?,
            cause: Cause {
                actor: headers.text(name::ACTOR)?.to_owned(),
                correlation_id: headers.parsed(name::CORRELATION_ID)?,
                causation_id: headers.parsed_if_there(name::CAUSATION_ID)?,
                traceparent: headers.parsed_if_there(name::TRACEPARENT)?,
            },
            data: RawPayload::new(payload.to_owned()).map_err(|_| Unreadable::Payload)?,
        };
        let previous = Position(headers.parsed(name::PREVIOUS)?);
        Ok(Delivered { event, previous, history: History(headers.parsed(name::HISTORY)?) })
    }

    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        self.names.insert(new.clone());
        new
    }
}

/// Only what the relay asks of its own records.
pub(crate) fn mark(record: &impl Message) -> Result<Mark, Unreadable> {
    let headers = HeaderValues::of(record);
    Ok(Mark {
        position: Position(headers.parsed(name::POSITION)?),
        previous: Position(headers.parsed(name::PREVIOUS)?),
        history: History(headers.parsed(name::HISTORY)?),
        event_id: headers.parsed(name::ID)?,
    })
}

struct HeaderValues<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> HeaderValues<'a> {
    fn of(record: &'a impl Message) -> Self {
        let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
        Self(headers.filter_map(|header| Some((header.key, header.value?))).collect())
    }

    fn if_there(&self, key: &'static str) -> Result<Option<&'a str>, Unreadable> {
        let value = self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| std::str::from_utf8(value));
        value.transpose().map_err(|_| Unreadable::Header(key))
    }

    fn text(&self, key: &'static str) -> Result<&'a str, Unreadable> {
        self.if_there(key)?.ok_or(Unreadable::Missing(key))
    }

    fn parsed<T: FromStr>(&self, key: &'static str) -> Result<T, Unreadable> {
        self.text(key)?.parse().map_err(|_| Unreadable::Header(key))
    }

    fn parsed_if_there<T: FromStr>(&self, key: &'static str) -> Result<Option<T>, Unreadable> {
        self.if_there(key)?.map(|text| text.parse().map_err(|_| Unreadable::Header(key))).transpose()
    }
}

#[cfg(test)]
mod tests;
