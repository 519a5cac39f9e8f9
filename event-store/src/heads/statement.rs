//! What is signed of a store, and how it is written down: one line of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envelope::{History, Position, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::key::{PublicKey, SigningKey};
use crate::chain::{self, Chain};

/// Stands before everything that is signed, so that no signature means anything elsewhere.
const DOMAIN: &[u8] = b"event-store head v1";

/// What a store was at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Whose store.
    pub context: String,
    /// What its chain began with: another one is another database.
    pub genesis: Uuid,
    /// What its positions meant.
    pub history: History,
    /// The history that a recovery ended here; none if this is only a head.
    pub ended: Option<History>,
    /// Where it ended; 0 if it was empty.
    pub position: Position,
    /// The event that stood there.
    pub event_id: Option<Uuid>,
    /// The chain up to there.
    #[serde(with = "hexadecimal")]
    pub chain: Chain,
    /// When that was, by the clock of who signed.
    pub at: Timestamp,
}

/// A statement with the signature that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// What was signed.
    #[serde(flatten)]
    pub statement: Statement,
    /// By whom.
    pub key: String,
    /// Of the statement's bytes, in base64.
    pub signature: String,
}

impl Statement {
    /// The bytes that are signed: every field has its length before it, as in the chain of events, so that no two
    /// statements are the same bytes. What may be missing is empty.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let mut field = |field: &[u8]| {
            bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
            bytes.extend_from_slice(field);
        };
        field(DOMAIN);
        field(self.context.as_bytes());
        field(self.genesis.as_bytes());
        field(self.history.0.as_bytes());
        field(self.ended.as_ref().map_or(&[], |ended| ended.0.as_bytes()));
        field(&self.position.get().to_be_bytes());
        field(self.event_id.as_ref().map_or(&[], |id| id.as_bytes()));
        field(&self.chain);
        field(&self.at.micros().to_be_bytes());
        bytes
    }

    /// Vouches for it.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> SignedHead {
        let signature = STANDARD.encode(key.sign(&self.bytes()));
        SignedHead { key: key.public().to_string(), signature, statement: self }
    }
}

impl SignedHead {
    /// Whether the key it names signed exactly this.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        let (Ok(key), Ok(signature)) = (self.key.parse::<PublicKey>(), STANDARD.decode(&self.signature)) else {
            return false;
        };
        key.checks(&self.statement.bytes(), &signature)
    }

    /// The key it names.
    #[must_use]
    pub fn signer(&self) -> Option<PublicKey> {
        self.key.parse().ok()
    }

    /// As it is kept: one line of JSON, without the end of the line.
    ///
    /// # Errors
    /// Never for what was made here.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

mod hexadecimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use super::{Chain, chain};

    pub(super) fn serialize<S: Serializer>(value: &Chain, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&chain::hexadecimal(value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Chain, D::Error> {
        let text = String::deserialize(deserializer)?;
        chain::from_hexadecimal(&text).ok_or_else(|| de::Error::custom("a chain is 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests;
