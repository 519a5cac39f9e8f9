//! Text that only we can have made: bytes with an HMAC over their purpose and themselves, in base64url.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::token::TokenKey;

/// 128 bits cannot be guessed, and keep headers short.
const MAC_BYTES: usize = 16;

pub(crate) fn seal(key: &TokenKey, purpose: &str, plain: &[u8]) -> String {
    let mut bytes = plain.to_vec();
    bytes.extend_from_slice(&mac(key, purpose, plain).finalize().into_bytes()[..MAC_BYTES]);
    BASE64.encode(bytes)
}

pub(crate) fn open(key: &TokenKey, purpose: &str, text: &str) -> Option<Vec<u8>> {
    let mut bytes = BASE64.decode(text).ok()?;
    let (plain, tag) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
    mac(key, purpose, plain).verify_truncated_left(tag).ok()?;
    bytes.truncate(bytes.len() - MAC_BYTES);
    Some(bytes)
}

fn mac(key: &TokenKey, purpose: &str, plain: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret()).expect("HMAC takes a key of any length");
    mac.update(&(purpose.len() as u64).to_be_bytes());
    mac.update(purpose.as_bytes());
    mac.update(plain);
    mac
}
