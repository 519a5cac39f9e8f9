//! Read your writes: a signed note of the positions that a view must have reached to show what a command did.
//!
//! Commands answer it in `Consistency-Token`; whoever reads sends it back, merged with earlier ones by maximum.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use envelope::{History, Position};
use uuid::Uuid;

use crate::http::seal;
use crate::problem::Problem;

/// The header in which tokens travel, both ways.
pub const HEADER: &str = "consistency-token";

const FORMAT: u8 = 1;
const ENTRIES_MAX: usize = 256;
const CHARS_MAX: usize = 8 * 1024;

/// The secret by which tokens, cursors and fingerprints are ours.
#[derive(Clone)]
pub struct TokenKey(Arc<[u8; 32]>);

impl TokenKey {
    /// From a secret that all processes of one deployment share.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(Arc::new(secret))
    }

    /// The secret itself.
    #[must_use]
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(***)")
    }
}

/// Positions by context and partition, each with the history to which it belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsistencyToken {
    /// What must have been reached.
    pub touched: BTreeMap<(String, i32), (History, Position)>,
}

impl ConsistencyToken {
    /// What one command touched in one context.
    #[must_use]
    pub fn of(context: &str, history: History, touched: &[(i32, Position)]) -> Self {
        let entries = touched.iter().map(|(partition, at)| ((context.to_owned(), *partition), (history, *at)));
        Self { touched: entries.collect() }
    }

    /// Asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    /// Takes the later position of each partition. Of two histories the one merged last wins, being the newer news.
    pub fn merge(&mut self, other: Self) {
        for (place, (history, position)) in other.touched {
            let held = self.touched.entry(place).or_insert((history, position));
            if held.0 != history || held.1 < position {
                *held = (history, position);
            }
        }
    }

    /// As it travels.
    #[must_use]
    pub fn encode(&self, key: &TokenKey) -> String {
        let mut bytes = vec![FORMAT];
        for ((context, partition), (history, position)) in &self.touched {
            bytes.push(u8::try_from(context.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(&context.as_bytes()[..context.len().min(usize::from(u8::MAX))]);
            bytes.extend_from_slice(&partition.to_be_bytes());
            bytes.extend_from_slice(history.0.as_bytes());
            bytes.extend_from_slice(&position.0.to_be_bytes());
        }
        seal::seal(key, "token", &bytes)
    }

    /// As a response header.
    #[must_use]
    pub fn to_header(&self, key: &TokenKey) -> HeaderValue {
        HeaderValue::try_from(self.encode(key)).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Reads one that we made; `None` for anything else.
    #[must_use]
    pub fn decode(key: &TokenKey, text: &str) -> Option<Self> {
        if text.len() > CHARS_MAX {
            return None;
        }
        let bytes = seal::open(key, "token", text)?;
        let mut rest = bytes.strip_prefix(&[FORMAT])?;
        let mut touched = BTreeMap::new();
        while let Some((length, tail)) = rest.split_first() {
            let (context, tail) = tail.split_at_checked(usize::from(*length))?;
            let (partition, tail) = tail.split_first_chunk::<4>()?;
            let (history, tail) = tail.split_first_chunk::<16>()?;
            let (position, tail) = tail.split_first_chunk::<8>()?;
            let place = (std::str::from_utf8(context).ok()?.to_owned(), i32::from_be_bytes(*partition));
            let at = (History(Uuid::from_bytes(*history)), Position(i64::from_be_bytes(*position)));
            touched.insert(place, at);
            rest = tail;
        }
        (touched.len() <= ENTRIES_MAX).then_some(Self { touched })
    }
}

/// All tokens of a request, merged. Several headers may come, each with several tokens.
impl<S> FromRequestParts<S> for ConsistencyToken
where
    S: Send + Sync,
    TokenKey: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut merged = Self::default();
        for value in parts.headers.get_all(HEADER) {
            let key = TokenKey::from_ref(state);
            let value = value.to_str().map_err(|_| foreign())?;
            for text in value.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                merged.merge(Self::decode(&key, text).ok_or_else(foreign)?);
            }
        }
        Ok(merged)
    }
}

fn foreign() -> Problem {
    let why = "it is not one that this deployment gave; send back unchanged what a command answered, or leave it out";
    Problem::bad_parameter("Consistency-Token", why)
}

#[cfg(test)]
mod tests;
