//! What a request asked, in 32 bytes that tell nothing of it: the same idempotency key must come with the same one.

use axum::http::Method;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::token::TokenKey;

/// An HMAC over method, path and body.
///
/// # Panics
/// Never: HMAC takes a key of any length.
#[must_use]
pub fn fingerprint(key: &TokenKey, method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret()).expect("HMAC takes a key of any length");
    for part in [b"fingerprint".as_slice(), method.as_str().as_bytes(), path.as_bytes(), body] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
