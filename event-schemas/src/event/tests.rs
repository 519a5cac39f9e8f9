//! Decoding: current versions, old ones, later fields, and everything that cannot be read.

use cqrs_es::DomainEvent as _;
use cqrs_es::persist::SerializedEvent;
use serde_json::json;

use super::*;
use crate::upcasters;

const V1: &str = r#"{"order":"0192f1d2-7c00-7000-8000-000000000002","customer":"0192f1d2-7c00-7000-8000-000000000001",
    "ordered_on":"1997-01-12","units":1,"total_cents":1200}"#;
const V2: &str = concat!(
    r#"{"order":"0192f1d2-7c00-7000-8000-000000000002","customer":"0192f1d2-7c00-7000-8000-000000000001","#,
    r#""ordered_on":"1997-01-12","units":1,"total":{"amount_minor":1200,"currency":"USD"}}"#
);

fn order(version: &str, payload: &str) -> Result<Event, DecodeError> {
    Event::decode(Context::Orders, "OrderImported", version, payload)
}

fn upcast_by_cqrs_es(payload: Value) -> SerializedEvent {
    let text = String::new;
    let event = SerializedEvent::new(text(), 1, text(), "OrderImported".into(), "1".into(), payload, Value::Null);
    upcasters(Context::Orders).iter().fold(event, |event, upcaster| {
        if upcaster.can_upcast(&event.event_type, &event.event_version) { upcaster.upcast(event) } else { event }
    })
}

#[test]
fn the_first_version_of_an_order_meant_us_dollars() {
    let event = order("1", V1).unwrap();
    assert_eq!(event, order("2", V2).unwrap());
    assert_eq!((event.name(), event.version(), event.fields().unwrap().as_str()), ("OrderImported", "2", V2));
}

#[test]
fn upcasters_take_fields_alone_and_under_their_name() {
    let old: Value = serde_json::from_str(V1).unwrap();
    let new: Value = serde_json::from_str(V2).unwrap();
    let alone = upcast_by_cqrs_es(old.clone());
    assert_eq!((alone.payload, alone.event_version.as_str()), (new.clone(), "2"));
    let named = upcast_by_cqrs_es(json!({ "OrderImported": old }));
    assert_eq!((named.payload, named.event_version.as_str()), (json!({ "OrderImported": new }), "2"));
}

#[test]
fn there_is_a_step_from_every_old_version_to_the_next() {
    for published in crate::published::published() {
        let newest = crate::published::published().into_iter().filter(|other| other.event_type == published.event_type);
        if newest.map(|event| event.version).max() > Some(published.version) {
            let from = published.version.to_string();
            let steps = upcasters(published.context);
            let fitting = steps.iter().filter(|step| step.can_upcast(published.event_type, &from)).count();
            assert_eq!(fitting, 1, "{} version {from}", published.event_type);
        }
    }
}

#[test]
fn fields_of_later_programs_are_passed_over() {
    let later =
        V2.replace(r#""units":1"#, r#""units":1,"gift":{"wrapped":true}"#).replace("USD\"", "USD\",\"rate\":[1]");
    assert_eq!(order("2", &later).unwrap(), order("2", V2).unwrap());
}

#[test]
fn what_a_newer_program_wrote_is_refused_with_advice() {
    let says = |event_type, version| Event::decode(Context::Orders, event_type, version, V2).unwrap_err().to_string();
    assert_eq!(
        says("OrderReturned", "1"),
        "this program knows no event `OrderReturned` in orders; it was written by a newer one: update this one"
    );
    for version in ["3", "0", "-1", "", "two", "99999999999"] {
        assert!(says("OrderImported", version).starts_with("this program reads `OrderImported` up to version 2, not"));
    }
}

#[test]
fn an_event_of_another_context_is_unknown_here() {
    let elsewhere = Event::decode(Context::Identity, "OrderImported", "2", V2);
    assert!(matches!(elsewhere, Err(DecodeError::UnknownType { .. })));
}

#[test]
fn unreadable_fields_are_errors_that_name_the_event() {
    for (version, payload) in [
        ("2", "{}"),
        ("2", ""),
        ("2", "null"),
        ("2", "[]"),
        ("1", "{}"),
        ("1", "{"),
        ("2", &V2.replace("USD", "usd")),
        ("2", &V2.replace("1997-01-12", "1997-02-30")),
        ("2", &format!("{V2} {V2}")),
    ] {
        let error = order(version, payload).unwrap_err();
        assert_eq!(error.to_string(), format!("the fields of `OrderImported` version {version} cannot be read"));
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn cqrs_es_sees_the_same_names_and_versions() {
    let Ok(Event::Orders(event)) = order("2", V2) else { panic!("it is an order") };
    assert_eq!((event.event_type(), event.event_version()), ("OrderImported".to_owned(), "2".to_owned()));
}
