//! Schemas and golden files: what was published once can be read for ever, and what is written today is what they say.

use std::collections::BTreeSet;

use envelope::{Sealed, SubjectKey};
use uuid::Uuid;

use super::*;
use crate::Event;

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The golden file of a version, without the newline at its end.
fn golden(event: &Published) -> String {
    let path = golden_folder().join(event.path());
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} is missing: {error}", path.display()));
    text.trim_end().to_owned()
}

fn decoded(event: &Published) -> Event {
    Event::decode(event.context, event.event_type, &event.version.to_string(), &golden(event)).unwrap()
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let drift = drift(&schemas_folder()).unwrap();
    assert!(drift.is_empty(), "run `cargo xtask schemas` and commit what it writes: {}", drift.join(", "));
}

#[test]
fn every_version_has_a_golden_file_and_nothing_else_has() {
    let wanted: BTreeSet<String> = published().iter().map(Published::path).collect();
    let found: BTreeSet<String> = files_below(&golden_folder(), &golden_folder()).unwrap().into_keys().collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_golden_file_decodes_to_the_current_version() {
    for event in published() {
        let decoded = decoded(&event);
        assert_eq!((decoded.context(), decoded.name()), (event.context, event.event_type));
    }
}

#[test]
fn the_current_version_is_written_back_with_the_same_bytes() {
    for event in published() {
        let decoded = decoded(&event);
        if decoded.version() == event.version.to_string() {
            assert_eq!(decoded.fields().unwrap(), golden(&event), "{}", event.path());
        }
    }
}

#[test]
fn golden_files_and_schemas_name_the_same_fields() {
    for event in published() {
        let golden: Value = serde_json::from_str(&golden(&event)).unwrap();
        let keys = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&golden), keys(&event.schema["properties"]), "{}", event.path());
        let required =
            event.schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        assert!(required.collect::<BTreeSet<_>>().is_subset(&keys(&golden)), "{}", event.path());
    }
}

#[test]
fn every_event_has_all_its_versions_from_the_first_on() {
    let all = published();
    for event in &all {
        let before = |other: &&Published| other.event_type == event.event_type && other.version < event.version;
        assert_eq!(all.iter().filter(before).count(), event.version as usize - 1, "{}", event.path());
        assert!(!event.schema["description"].as_str().unwrap_or_default().is_empty(), "{}", event.path());
        assert!(event.schema["properties"].is_object(), "{}", event.path());
    }
}

#[test]
fn what_was_sealed_in_a_golden_file_still_opens() {
    let subject = "0192f1d2-7c00-7000-8000-000000000001";
    let key = SubjectKey::new("0192f1d2-7c00-7000-8000-0000000000aa".parse::<Uuid>().unwrap(), subject, [7; 32]);
    let event = published().into_iter().find(|event| event.event_type == "AccountRegistered").unwrap();
    let fields: Value = serde_json::from_str(&golden(&event)).unwrap();
    let open = |field: &str| {
        let sealed: Sealed<String> = serde_json::from_value(fields[field].clone()).unwrap();
        key.open(field, &sealed).unwrap()
    };
    assert_eq!((open("name"), open("email")), ("Customer 00002".to_owned(), "00002@cdnow.example".to_owned()));
}

#[test]
fn writing_the_schemas_mends_any_drift() {
    let folder = std::env::temp_dir().join(format!("schemas-{}", Uuid::now_v7()));
    fs::create_dir_all(folder.join("orders")).unwrap();
    fs::write(folder.join("orders/order-forgotten.v1.json"), "{}").unwrap();
    fs::write(folder.join("orders/order-imported.v2.json"), "{}").unwrap();
    let changes = write_schemas(&folder).unwrap();
    let after = drift(&folder).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(changes.contains(&"orders/order-imported.v2.json differs".to_owned()), "{changes:?}");
    assert!(changes.contains(&"orders/order-forgotten.v1.json belongs to no event".to_owned()), "{changes:?}");
    assert!(changes.contains(&"identity/account-renamed.v1.json is missing".to_owned()), "{changes:?}");
    assert_eq!(after, [""; 0]);
}
