//! Names and fields come apart and together again.

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Happened {
    ParcelSent { to: String, weight_g: Option<u32> },
    ParcelLost,
    ParcelsCounted(u32, u32),
    ParcelMoved(Place),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    shelf: String,
}

fn survives(name: &str, fields: &str, event: Happened) {
    assert_eq!(write(&event).unwrap(), fields);
    assert_eq!(read_str::<Happened>(name, fields).unwrap(), event);
    let value: serde_json::Value = serde_json::from_str(fields).unwrap();
    assert_eq!(read::<Happened, _>(name, value).unwrap(), event);
}

#[test]
fn every_kind_of_variant_comes_apart_and_together() {
    survives(
        "ParcelSent",
        r#"{"to":"a \":} b","weight_g":7}"#,
        Happened::ParcelSent { to: "a \":} b".into(), weight_g: Some(7) },
    );
    survives("ParcelLost", "{}", Happened::ParcelLost);
    survives("ParcelsCounted", "[1,2]", Happened::ParcelsCounted(1, 2));
    survives("ParcelMoved", r#"{"shelf":"A"}"#, Happened::ParcelMoved(Place { shelf: "A".into() }));
}

#[test]
fn unknown_fields_are_passed_over() {
    let read = read_str::<Happened>("ParcelSent", r#"{"later":{"x":[1]},"to":"me"}"#).unwrap();
    assert_eq!(read, Happened::ParcelSent { to: "me".into(), weight_g: None });
}

#[test]
fn other_names_missing_fields_and_trailing_text_are_errors() {
    let says = |name, fields| read_str::<Happened>(name, fields).unwrap_err().to_string();
    assert!(says("ParcelEaten", "{}").starts_with("unknown variant `ParcelEaten`"));
    assert!(says("ParcelSent", "{}").starts_with("missing field `to`"));
    assert!(says("ParcelLost", "{} {}").starts_with("trailing characters"));
    assert!(says("ParcelSent", r#"["me",1]"#).starts_with("invalid type: sequence"));
}
