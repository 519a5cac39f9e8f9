//! Sealed values: what opens them, what does not, and what can be compared.

use super::*;

fn ana() -> SubjectKey {
    SubjectKey::random("ana")
}

#[test]
fn what_was_sealed_opens_with_the_key_and_the_field() {
    let key = ana();
    let sealed = key.seal("name", &"Ana".to_owned());
    assert_eq!(key.open("name", &sealed).as_deref(), Ok("Ana"));
}

#[test]
fn a_sealed_value_survives_its_json() {
    let key = ana();
    let json = serde_json::to_string(&key.seal("name", &"Ana".to_owned())).unwrap();
    assert!(!json.contains("Ana"));
    let back: Sealed<String> = serde_json::from_str(&json).unwrap();
    assert_eq!(key.open("name", &back).as_deref(), Ok("Ana"));
}

#[test]
fn it_cannot_be_moved_to_another_field_or_person() {
    let key = ana();
    let sealed = key.seal("name", &"Ana".to_owned());
    assert_eq!(key.open::<String>("email", &sealed), Err(OpenError::Forged));
    let bob = SubjectKey::new(key.id(), "bob", *key.secret());
    assert_eq!(bob.open::<String>("name", &sealed), Err(OpenError::Forged));
    assert_eq!(ana().open::<String>("name", &sealed), Err(OpenError::OtherKey));
}

#[test]
fn a_flipped_bit_is_noticed() {
    let key = ana();
    let Sealed::Closed { key: id, sealed, mac } = key.seal("name", &"Ana".to_owned()) else { panic!("it is closed") };
    let mut bytes = BASE64.decode(sealed).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let changed = Sealed::<String>::Closed { key: id, sealed: BASE64.encode(bytes), mac };
    assert_eq!(key.open("name", &changed), Err(OpenError::Forged));
}

#[test]
fn equal_plain_texts_are_equal_sealed_and_others_are_not() {
    let key = ana();
    let sealed = key.seal("name", &"Ana".to_owned());
    assert_eq!(sealed, key.seal("name", &"Ana".to_owned()));
    assert_ne!(sealed, key.seal("name", &"Bob".to_owned()));
    assert_ne!(sealed, key.seal("email", &"Ana".to_owned()));
    assert_ne!(sealed, ana().seal("name", &"Ana".to_owned()));
}

#[test]
fn erased_reads_back_as_erased() {
    let json = serde_json::to_string(&Sealed::<String>::erased()).unwrap();
    assert_eq!(json, r#"{"erased":true}"#);
    let back: Sealed<String> = serde_json::from_str(&json).unwrap();
    assert_eq!(ana().open("name", &back), Err(OpenError::Erased));
}
