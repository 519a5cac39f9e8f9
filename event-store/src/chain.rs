//! The hash chain: each event's hash covers the one before it, so no row can be changed, moved or left out unseen.

use envelope::{Position, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// SHA-256 over everything up to and including an event.
pub(crate) type Chain = [u8; 32];

/// The fields of an event that its chain covers.
pub(crate) struct Link<'a> {
    pub(crate) position: Position,
    pub(crate) aggregate_type: &'a str,
    pub(crate) aggregate_id: &'a str,
    pub(crate) sequence: i64,
    pub(crate) event_id: Uuid,
    pub(crate) event_type: &'a str,
    pub(crate) event_version: &'a str,
    pub(crate) recorded_at: Timestamp,
    pub(crate) payload: &'a str,
    pub(crate) metadata: &'a str,
}

/// What stands before position 1. A store keeps its genesis when it begins another history.
pub(crate) fn genesis(genesis: Uuid) -> Chain {
    Sha256::digest(genesis.as_bytes()).into()
}

/// The chain as people read it.
pub(crate) fn hexadecimal(chain: &Chain) -> String {
    platform::hexadecimal(chain)
}

/// The chain that people read.
pub(crate) fn from_hexadecimal(text: &str) -> Option<Chain> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut chain = Chain::default();
    for (byte, digits) in chain.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(chain)
}

/// The chain after this event. Every field has its length before it, so that no two events can be read as one another;
/// the SQL function `chain_after` computes the same.
pub(crate) fn after(previous: &Chain, link: &Link<'_>) -> Chain {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    field(previous);
    field(&link.position.get().to_be_bytes());
    field(link.aggregate_type.as_bytes());
    field(link.aggregate_id.as_bytes());
    field(&link.sequence.to_be_bytes());
    field(link.event_id.as_bytes());
    field(link.event_type.as_bytes());
    field(link.event_version.as_bytes());
    field(&link.recorded_at.micros().to_be_bytes());
    field(link.payload.as_bytes());
    field(link.metadata.as_bytes());
    hash.finalize().into()
}
