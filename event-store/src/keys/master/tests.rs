//! The master key: its texts, its file, and what it wraps.

use super::*;

#[test]
fn it_is_read_from_hex_and_from_base64() {
    let key = MasterKey::parse(&"0f".repeat(32)).unwrap();
    assert_eq!(*key.0, [15; 32]);
    assert_eq!(*MasterKey::parse(&format!(" {}\n", key.to_text().as_str())).unwrap().0, [15; 32]);
    assert_eq!(*MasterKey::parse(&STANDARD.encode([15; 32])).unwrap().0, [15; 32]);
    assert_eq!(*MasterKey::parse(&STANDARD_NO_PAD.encode([15; 32])).unwrap().0, [15; 32]);
}

#[test]
fn other_texts_are_refused() {
    for text in ["", "secret", &"0f".repeat(31), &"0g".repeat(32), &STANDARD.encode([1; 31]), &"ü".repeat(32)] {
        assert!(matches!(MasterKey::parse(text), Err(KeysError::BadMaster)), "{text}");
    }
}

#[test]
fn a_wrapped_key_opens_again_and_only_as_itself() {
    let master = MasterKey::random();
    let key = SubjectKey::random("ana");
    let wrapped = master.wrap(&key);
    let opened = master.unwrap(key.id(), "ana".into(), &wrapped).unwrap();
    assert_eq!((opened.secret(), opened.subject()), (key.secret(), "ana"));

    let closed = |of: &MasterKey, id, subject: &str, wrapped: &[u8]| {
        matches!(of.unwrap(id, subject.into(), wrapped), Err(KeysError::Damaged(_)))
    };
    assert!(closed(&master, key.id(), "bob", &wrapped));
    assert!(closed(&master, Uuid::nil(), "ana", &wrapped));
    assert!(closed(&MasterKey::random(), key.id(), "ana", &wrapped));
    assert!(closed(&master, key.id(), "ana", &wrapped[..wrapped.len() - 1]));
    assert!(closed(&master, key.id(), "ana", &[]));
}

#[test]
fn it_shows_nothing_of_itself() {
    assert_eq!(format!("{:?}", MasterKey::random()), "MasterKey(***)");
}

#[test]
fn a_file_is_made_once_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = std::env::temp_dir().join(format!("master-{}.key", Uuid::now_v7()));
    let made = MasterKey::from_file_or_new(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    let again = MasterKey::from_file_or_new(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!((mode & 0o777, *again.0), (0o600, *made.0));
    let missing = MasterKey::from_file(&path).unwrap_err().to_string();
    assert!(missing.contains("cannot be read or written (No such file or directory"), "{missing}");
}
