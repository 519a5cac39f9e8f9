//! Opaque, signed cursors: where the next page begins, readable by nobody but us.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::seal;
use crate::problem::Problem;
use crate::token::TokenKey;

const CHARS_MAX: usize = 2048;

/// Writes a cursor. `scope` names the list and its filters: a cursor of one list is refused by another.
///
/// # Panics
/// If `place` cannot be written as JSON, which a plain data type can.
#[must_use]
pub fn encode<T: Serialize>(key: &TokenKey, scope: &str, place: &T) -> String {
    let plain = serde_json::to_vec(place).expect("a place in a list is plain data");
    seal::seal(key, &format!("cursor {scope}"), &plain)
}

/// Reads a cursor that [`encode`] wrote for the same scope.
///
/// # Errors
/// A 400 that says what to do.
pub fn decode<T: DeserializeOwned>(key: &TokenKey, scope: &str, text: &str) -> Result<T, Problem> {
    let opened = (text.len() <= CHARS_MAX).then(|| seal::open(key, &format!("cursor {scope}"), text)).flatten();
    opened.and_then(|plain| serde_json::from_slice(&plain).ok()).ok_or_else(|| {
        let why = "it does not belong to this list with these filters; \
                   send back `next_cursor` unchanged with the same filters, or leave it out to begin at the first page";
        Problem::bad_parameter("cursor", why)
    })
}

#[cfg(test)]
mod tests;
