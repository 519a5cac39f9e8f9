use sha2::{Digest as _, Sha256};

use super::*;
use crate::heads::BadKey;

fn key(byte: u8) -> SigningKey {
    SigningKey::parse(&STANDARD.encode([byte; 32])).unwrap()
}

fn statement() -> Statement {
    Statement {
        context: "parcels".to_owned(),
        genesis: Uuid::from_u128(1),
        history: History(Uuid::from_u128(2)),
        ended: Some(History(Uuid::from_u128(3))),
        position: Position(7),
        event_id: Some(Uuid::from_u128(4)),
        chain: [5; 32],
        at: Timestamp::from_micros(1_000_001).unwrap(),
    }
}

#[test]
fn what_is_written_down_is_read_back_and_genuine() {
    let signed = statement().sign(&key(1));
    assert!(signed.is_genuine());
    let line = signed.to_line().unwrap();
    assert!(!line.contains('\n'));
    let read: SignedHead = serde_json::from_str(&line).unwrap();
    assert_eq!(read, signed);
    assert!(read.is_genuine());
    assert_eq!(read.signer(), Some(key(1).public()));
}

#[test]
fn no_field_can_be_changed_under_a_signature() {
    let signed = statement().sign(&key(1));
    let changes: [fn(&mut Statement); 9] = [
        |statement| statement.context.push('x'),
        |statement| statement.genesis = Uuid::from_u128(9),
        |statement| statement.history = History(Uuid::from_u128(9)),
        |statement| statement.ended = None,
        |statement| statement.position = Position(6),
        |statement| statement.event_id = None,
        |statement| statement.event_id = Some(Uuid::from_u128(9)),
        |statement| statement.chain[31] ^= 1,
        |statement| statement.at = Timestamp::from_micros(1_000_002).unwrap(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut forged = signed.clone();
        change(&mut forged.statement);
        assert_ne!(forged.statement, signed.statement, "change {number} changes something");
        assert!(!forged.is_genuine(), "change {number}");
    }
    let other = SignedHead { key: key(2).public().to_string(), ..signed.clone() };
    assert!(!other.is_genuine(), "another key did not sign it");
    let cut = SignedHead { signature: signed.signature[4..].to_owned(), ..signed };
    assert!(!cut.is_genuine());
}

#[test]
fn fields_that_flow_into_one_another_are_other_bytes() {
    let moved = Statement { ended: None, ..statement() };
    let named = Statement { event_id: None, ..statement() };
    assert_ne!(moved.bytes(), statement().bytes());
    assert_ne!(moved.bytes(), named.bytes());
}

/// What others check signatures with must not change in passing: these bytes and this signature are for ever.
#[test]
fn the_signed_bytes_are_what_they_always_were() {
    let bytes = statement().bytes();
    let fields = ["event-store head v1", "parcels"];
    assert_eq!(&bytes[..8], &19_u64.to_be_bytes());
    assert_eq!(&bytes[8..27], fields[0].as_bytes());
    assert_eq!(&bytes[35..42], fields[1].as_bytes());
    // Nine fields with their lengths.
    assert_eq!(bytes.len(), 9 * 8 + 19 + 7 + 4 * 16 + 8 + 32 + 8);
    assert_eq!(
        chain::hexadecimal(&Sha256::digest(&bytes).into()),
        "f3d05728380576dad832db1a36ab15b44039d659b363392bf5aadae70f69514f"
    );
    let signature = "LDnpiNexUHZLF9pb6ds+nwcmUEiSvEh6VCYdcofG55YcU0BYY6zLkpSPe5/j+UTjz0/wrRwgahuTDvZpfPAQBw==";
    assert_eq!(statement().sign(&key(1)).signature, signature, "another implementation of Ed25519 made this one");
}

#[test]
fn a_key_is_32_bytes_in_base64_and_is_never_shown() {
    assert_eq!(SigningKey::parse("short").err(), Some(BadKey));
    assert_eq!(format!("{:?}", key(1)), "SigningKey(***)");
    assert_eq!("short".parse::<PublicKey>().err(), Some(BadKey));
    let public = key(1).public();
    assert_eq!(public.to_string().parse::<PublicKey>(), Ok(public));
}
