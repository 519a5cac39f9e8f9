//! Personal data that can be forgotten: a value under the key of the person it is about.
//!
//! A sealed value is ciphertext (XChaCha20-Poly1305 under the subject's random key, with subject and field as
//! associated data, so that it cannot be moved to another person or field) and an HMAC of the plain text under the same
//! key, by which two sealed values can be compared without opening them. Destroying the key erases every copy.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;

/// A value that only the holder of its subject's key can read. Equal if the plain texts are (same key, same HMAC).
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, bound = "")]
#[schemars(bound = "", rename = "Sealed")]
pub enum Sealed<T> {
    /// Readable as long as the key lives.
    Closed {
        /// Names the subject's key.
        key: Uuid,
        /// Nonce and ciphertext, base64.
        sealed: String,
        /// HMAC-SHA256 of the plain text under the subject's key, base64.
        mac: String,
    },
    /// The subject was erased before this was sealed.
    Erased {
        /// Always true.
        erased: bool,
        /// What it would have been.
        #[serde(skip)]
        #[schemars(skip)]
        of: PhantomData<fn() -> T>,
    },
}

/// The random key of one person, with what is derived from it. Forgets its bytes when dropped.
#[derive(Clone)]
pub struct SubjectKey {
    id: Uuid,
    subject: String,
    secret: Zeroizing<[u8; 32]>,
}

/// Why a sealed value could not be opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed under another key.
    #[error("the value was sealed under another key")]
    OtherKey,
    /// It was changed, or it belongs to another person or field.
    #[error("the value was changed, or it belongs to another subject or field")]
    Forged,
    /// It opened, but is not what the type says.
    #[error("the value has another shape than expected")]
    OtherShape,
    /// There is no key any more.
    #[error("the subject was erased")]
    Erased,
}

impl SubjectKey {
    /// A key from its stored parts.
    #[must_use]
    pub fn new(id: Uuid, subject: impl Into<String>, secret: [u8; 32]) -> Self {
        Self { id, subject: subject.into(), secret: Zeroizing::new(secret) }
    }

    /// A fresh random key for a subject.
    #[must_use]
    pub fn random(subject: impl Into<String>) -> Self {
        Self::new(Uuid::now_v7(), subject, rand::random())
    }

    /// Names the key; stands in every value sealed with it.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The person or thing whose key it is.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The bytes themselves, to be wrapped by a master key and nothing else.
    #[must_use]
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Seals a value for one field.
    ///
    /// # Panics
    /// If `T` cannot be written as JSON, which a plain data type can.
    #[must_use]
    pub fn seal<T: Serialize>(&self, field: &str, value: &T) -> Sealed<T> {
        let plain = Zeroizing::new(serde_json::to_vec(value).expect("plain data is JSON"));
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let text = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &self.associated(field) })
            .expect("a short text can always be encrypted");
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&text);
        Sealed::Closed { key: self.id, sealed: BASE64.encode(bytes), mac: BASE64.encode(self.compare(field, &plain)) }
    }

    /// Opens what was sealed for this field.
    ///
    /// # Errors
    /// [`OpenError`] says why it stays closed.
    pub fn open<T: DeserializeOwned>(&self, field: &str, value: &Sealed<T>) -> Result<T, OpenError> {
        let Sealed::Closed { key, sealed, .. } = value else { return Err(OpenError::Erased) };
        if *key != self.id {
            return Err(OpenError::OtherKey);
        }
        let bytes = BASE64.decode(sealed).map_err(|_| OpenError::Forged)?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Forged)?;
        let plain = self
            .cipher()
            .decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: &self.associated(field) })
            .map(Zeroizing::new)
            .map_err(|_| OpenError::Forged)?;
        serde_json::from_slice(&plain).map_err(|_| OpenError::OtherShape)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derived(b"seal").into())
    }

    fn derived(&self, purpose: &[u8]) -> [u8; 32] {
        hmac_sha256(self.secret.as_slice(), &[purpose])
    }

    fn compare(&self, field: &str, plain: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.derived(b"compare"), &[field.as_bytes(), &[0], plain])
    }

    /// Length first, so that no subject and field can be read as another pair.
    fn associated(&self, field: &str) -> Vec<u8> {
        let mut bytes = (self.subject.len() as u64).to_be_bytes().to_vec();
        bytes.extend_from_slice(self.subject.as_bytes());
        bytes.extend_from_slice(field.as_bytes());
        bytes
    }
}

impl<T> Sealed<T> {
    /// What stands in place of a value whose subject was erased.
    #[must_use]
    pub fn erased() -> Self {
        Self::Erased { erased: true, of: PhantomData }
    }

    /// The key it was sealed with, if it was.
    #[must_use]
    pub fn key(&self) -> Option<Uuid> {
        match self {
            Self::Closed { key, .. } => Some(*key),
            Self::Erased { .. } => None,
        }
    }
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl<T> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Closed { key, mac, .. }, Self::Closed { key: other_key, mac: other_mac, .. }) => {
                key == other_key && mac == other_mac
            }
            (Self::Erased { .. }, Self::Erased { .. }) => true,
            (Self::Closed { .. }, Self::Erased { .. }) | (Self::Erased { .. }, Self::Closed { .. }) => false,
        }
    }
}

impl<T> Eq for Sealed<T> {}

/// Shows nothing of the plain text.
impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { key, .. } => write!(f, "Sealed({key})"),
            Self::Erased { .. } => f.write_str("Sealed(erased)"),
        }
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectKey({})", self.id)
    }
}

#[cfg(test)]
mod tests;
