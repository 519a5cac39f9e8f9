//! The key that wraps all others.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use envelope::SubjectKey;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::KeysError;

const NONCE_BYTES: usize = 24;

/// 32 secret bytes. Forgets them when dropped and never prints them.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self(Zeroizing::new(rand::random()))
    }

    /// From its text: 64 hexadecimal digits, or base64.
    ///
    /// # Errors
    /// If that is not 32 bytes.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let text = text.trim();
        let bytes = Zeroizing::new(if text.len() == 64 {
            from_hex(text).ok_or(KeysError::BadMaster)?
        } else {
            STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).map_err(|_| KeysError::BadMaster)?
        });
        let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| KeysError::BadMaster)?;
        Ok(Self(Zeroizing::new(*bytes)))
    }

    /// From a file that holds its text.
    ///
    /// # Errors
    /// If the file cannot be read or holds no key.
    pub fn from_file(path: &Path) -> Result<Self, KeysError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| unusable(path, &error))?;
        Self::parse(&text)
    }

    /// From a file, which is made with a fresh key, readable by its owner only, if it is not there yet.
    ///
    /// # Errors
    /// If the file cannot be read or written, or holds no key.
    pub fn from_file_or_new(path: &Path) -> Result<Self, KeysError> {
        let fresh = Self::random();
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                let written = writeln!(file, "{}", fresh.to_text().as_str()).and_then(|()| file.sync_all());
                written.map(|()| fresh).map_err(|error| unusable(path, &error))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::from_file(path),
            Err(error) => Err(unusable(path, &error)),
        }
    }

    /// Its text, for the file that keeps it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Another secret that follows from this one, so that an operator has one secret to keep.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Recognises this key and tells nothing about it.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        self.derived("fingerprint of the master key")
    }

    /// Nonce and encrypted key; bound to its id and subject, so that two rows cannot be swapped.
    pub(super) fn wrap(&self, key: &SubjectKey) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let associated = associated(key.id(), key.subject());
        let text = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: key.secret(), aad: &associated })
            .expect("32 bytes can always be encrypted");
        [nonce.as_slice(), &text].concat()
    }

    pub(super) fn unwrap(&self, id: Uuid, subject: String, wrapped: &[u8]) -> Result<SubjectKey, KeysError> {
        let opened = wrapped.split_first_chunk::<NONCE_BYTES>().and_then(|(nonce, text)| {
            let payload = Payload { msg: text, aad: &associated(id, &subject) };
            self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
        });
        let secret = opened.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()).map(Zeroizing::new);
        secret.map(|secret| SubjectKey::new(id, subject, *secret)).ok_or(KeysError::Damaged(id))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derived("wrap").into())
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

fn associated(id: Uuid, subject: &str) -> Vec<u8> {
    [id.as_bytes().as_slice(), subject.as_bytes()].concat()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    digits?.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

fn unusable(path: &Path, error: &std::io::Error) -> KeysError {
    KeysError::File { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
