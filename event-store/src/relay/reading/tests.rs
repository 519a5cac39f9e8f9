use std::sync::Arc;

use envelope::{Cause, History, Position, Recorded, Timestamp};
use rdkafka::message::{OwnedHeaders, OwnedMessage};
use uuid::Uuid;

use super::{Delivered, RecordReader, Unreadable, mark};
use crate::RawPayload;
use crate::relay::publishing::{EventNames, HeaderMaker, Publishing};

const HISTORY: History = History(Uuid::from_u128(7));

fn event() -> Recorded<RawPayload> {
    Recorded {
        position: Position(42),
        context: "parcels".into(),
        aggregate_type: "parcel".into(),
        aggregate_id: "p-1".to_owned(),
        sequence: 3,
        event_id: Uuid::from_u128(1),
        event_type: "ParcelSent".into(),
        event_version: "2".into(),
        recorded_at: Timestamp::from_micros(1_700_000_000_123_456).expect("in the calendar"),
        cause: Cause {
            actor: "somebody".to_owned(),
            correlation_id: Uuid::from_u128(2),
            causation_id: Some(Uuid::from_u128(3)),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        },
        data: RawPayload::new(r#"{ "to":"Ürümqi" }"#.to_owned()).expect("it is JSON"),
    }
}

fn record(event: &Recorded<RawPayload>, headers: Option<OwnedHeaders>) -> OwnedMessage {
    OwnedMessage::new(
        Some(event.data.get().as_bytes().to_vec()),
        Some(event.aggregate_id.as_bytes().to_vec()),
        "parcels.v1".to_owned(),
        rdkafka::Timestamp::NotAvailable,
        0,
        0,
        headers,
    )
}

fn headers(event: &Recorded<RawPayload>) -> OwnedHeaders {
    let publishing = Publishing {
        topic: "parcels.v1".to_owned(),
        source: "/services/parcels".to_owned(),
        names: Arc::new(|name, version| EventNames {
            event_type: format!("com.example.{name}.v{version}"),
            dataschema: format!("/schemas/{name}/{version}.json"),
        }),
    };
    HeaderMaker::new(publishing, HISTORY).headers(event, Position(40))
}

#[test]
fn a_record_reads_back_as_the_event_that_was_published() {
    let event = event();
    let message = record(&event, Some(headers(&event)));
    let Delivered { event: read, previous, history } =
        RecordReader::new("parcels".into()).read(&message).expect("it was written by a relay");
    assert_eq!(read, event);
    assert_eq!((previous, history), (Position(40), HISTORY));
}

#[test]
fn what_is_not_there_stays_away() {
    let mut event = event();
    event.cause.causation_id = None;
    event.cause.traceparent = None;
    let message = record(&event, Some(headers(&event)));
    assert_eq!(RecordReader::new("parcels".into()).read(&message).expect("it was written by a relay").event, event);
}

#[test]
fn the_relay_knows_its_own_records() {
    let event = event();
    let mark = mark(&record(&event, Some(headers(&event)))).expect("it was written by a relay");
    assert_eq!((mark.position, mark.previous), (Position(42), Position(40)));
    assert_eq!((mark.history, mark.event_id), (HISTORY, event.event_id));
}

#[test]
fn a_record_of_somebody_else_is_named_as_such() {
    let event = event();
    assert_eq!(mark(&record(&event, None)), Err(Unreadable::Missing("position")));
    let read = RecordReader::new("parcels".into()).read(&record(&event, None));
    assert_eq!(read.err(), Some(Unreadable::Missing("position")));
}
