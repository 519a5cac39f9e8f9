//! Where somebody who follows the events stands in each store, in a form that can be read, kept and written by hand:
//! `orders=17@3f2a9c01.8b1d44aa0c12,payments=4@77e0b1c9.10ac33b2fe01`.
//!
//! Behind the position stand the beginning of the history's name and the end of that of the event there, by which a
//! store is known again that was restored. Who writes a position by hand may leave both out.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use envelope::{History, Position};
use event_schemas::Context;
use uuid::Uuid;

const CHARS_MAX: usize = 4096;
const HISTORY_DIGITS: usize = 8;
const EVENT_DIGITS: usize = 12;

/// A place in a store as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) position: Position,
    /// How that of the event there ends.
    event: Option<String>,
}

/// A place in a store, known for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) history: History,
    pub(super) position: Position,
    /// The event that stands there; none at 0.
    pub(super) event_id: Option<Uuid>,
}

/// A place per context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(pub(super) BTreeMap<Context, Place>);

/// Places as they were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ToldPlaces(pub(super) BTreeMap<Context, Told>);

impl Told {
    /// Whether the event at the position may be this one.
    pub(super) fn is_event(&self, found: Option<Uuid>) -> bool {
        match (&self.event, found) {
            (Some(told), Some(found)) => end_of(found) == *told,
            // At 0 there is none; somewhere else there has to be one.
            (_, None) => self.position == Position::ZERO,
            (None, Some(_)) => true,
        }
    }

    /// Whether nobody but a person can have written it: it says nothing of what was there.
    pub(super) fn is_by_hand(&self) -> bool {
        self.event.is_none()
    }
}

fn beginning_of(history: History) -> String {
    history.0.simple().to_string()[..HISTORY_DIGITS].to_owned()
}

/// The end of an id of version 7 is random, its beginning is a time.
fn end_of(event: Uuid) -> String {
    let digits = event.simple().to_string();
    digits[digits.len() - EVENT_DIGITS..].to_owned()
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (context, place)) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_char(',')?;
            }
            write!(f, "{context}={}@{}", place.position, beginning_of(place.history))?;
            if let Some(event) = place.event_id {
                write!(f, ".{}", end_of(event))?;
            }
        }
        Ok(())
    }
}

impl FromStr for ToldPlaces {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "it is what an `id:` of the stream said, such as orders=17@3f2a9c01.8b1d44aa0c12, or positions \
                    alone, such as orders=17,payments=4";
        if text.len() > CHARS_MAX {
            return Err(form.to_owned());
        }
        let mut places = BTreeMap::new();
        for part in text.split(',') {
            let (context, place) = part.split_once('=').ok_or(form)?;
            let context: Context = context.trim().parse().map_err(|error| format!("{error}"))?;
            let told = told(place.trim()).ok_or_else(|| format!("`{part}` cannot be read: {form}"))?;
            if places.insert(context, told).is_some() {
                return Err(format!("`{context}` stands in it twice"));
            }
        }
        Ok(Self(places))
    }
}

fn told(text: &str) -> Option<Told> {
    let (position, seen) = match text.split_once('@') {
        Some((position, seen)) => (position, Some(seen)),
        None => (text, None),
    };
    let plain = !position.is_empty() && position.bytes().all(|byte| byte.is_ascii_digit());
    let position = plain.then(|| position.parse().ok()).flatten().map(Position)?;
    let Some(seen) = seen else { return Some(Told { position, event: None }) };
    let (history, event) = seen.split_once('.').map_or((seen, None), |(history, event)| (history, Some(event)));
    // It is there for people: which event stands there says more.
    digits(history, HISTORY_DIGITS)?;
    let event = match event {
        Some(event) => Some(digits(event, EVENT_DIGITS)?),
        None => None,
    };
    Some(Told { position, event })
}

fn digits(text: &str, count: usize) -> Option<String> {
    let fits = text.len() == count && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(position: i64, event: u128) -> Place {
        let event_id = (position > 0).then(|| Uuid::from_u128(event));
        Place { history: History(Uuid::from_u128(7 << 120)), position: Position(position), event_id }
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        let places = Places(BTreeMap::from([(Context::Orders, place(17, 0xabc)), (Context::Payments, place(0, 0))]));
        let text = places.to_string();
        assert_eq!(text, "orders=17@07000000.000000000abc,payments=0@07000000");
        let told: ToldPlaces = text.parse().unwrap();
        for (context, place) in &places.0 {
            let told = &told.0[context];
            assert_eq!(told.position, place.position);
            assert!(told.is_event(place.event_id));
        }
        assert!(!told.0[&Context::Orders].is_event(Some(Uuid::from_u128(0xabd))));
        assert!(!told.0[&Context::Orders].is_event(None), "there is nothing at 17 any more");
    }

    #[test]
    fn a_position_written_by_hand_is_taken_as_it_is() {
        let told: ToldPlaces = "orders=17".parse().unwrap();
        let told = &told.0[&Context::Orders];
        assert!(told.is_by_hand() && told.is_event(Some(Uuid::nil())) && !told.is_event(None));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "orders",
            "orders=",
            "orders=-1",
            "orders=+1",
            "orders=1@",
            "orders=1@xyz",
            "gigs=1",
            "orders=1,orders=2",
            "orders=99999999999999999999",
            "orders=1@07000000.",
            "orders=1@0700000é",
        ] {
            assert!(text.parse::<ToldPlaces>().is_err(), "{text}");
        }
    }
}
