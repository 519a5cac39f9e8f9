//! What a policy has to send: where each command stands in memory, and in the table, if it stands there.
//!
//! A command is sent as soon as it follows from an event; it goes into the table only if it is not answered by the time
//! the policy's checkpoint moves past that event. Until then whoever begins anew reads the event again, asks for the
//! same under the same key, and is answered as before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::dispatches::{Noted, Row};
use crate::lanes::{Lanes, Sending};

/// Commands that are not answered, and rows of those that were.
#[derive(Default)]
pub(crate) struct Backlog {
    lanes: Lanes,
    places: u64,
    /// What stands in no table yet, by place.
    unstored: BTreeMap<u64, Arc<Noted>>,
    /// Under which number the others stand there.
    rows: HashMap<u64, i64>,
    /// Rows of what was answered.
    over: Vec<i64>,
}

impl Backlog {
    /// How many commands wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.len()
    }

    /// For how many aggregates something was refused.
    pub(crate) fn parked(&self) -> usize {
        self.lanes.parked()
    }

    /// A command followed from what happened.
    pub(crate) fn follows(&mut self, noted: Noted) {
        let sending = self.placed(noted);
        self.unstored.insert(sending.place, sending.noted.clone());
        self.lanes.push(sending);
    }

    /// A command stands in the table.
    pub(crate) fn stands(&mut self, Row { number, noted, parked }: Row) {
        let sending = self.placed(noted);
        self.rows.insert(sending.place, number);
        if parked {
            self.lanes.refused(&sending.noted.target);
        } else {
            self.lanes.push(sending);
        }
    }

    fn placed(&mut self, noted: Noted) -> Sending {
        self.places += 1;
        Sending { place: self.places, noted: Arc::new(noted) }
    }

    /// The next command to send: to one aggregate one after another.
    pub(crate) fn next(&mut self) -> Option<Sending> {
        self.lanes.next()
    }

    /// What is to be stored, in order.
    pub(crate) fn unstored(&self) -> Vec<&Noted> {
        self.unstored.values().map(|noted| &**noted).collect()
    }

    /// All of that stands in the table now, under these numbers.
    pub(crate) fn stored(&mut self, numbers: Vec<i64>) {
        self.rows.extend(std::mem::take(&mut self.unstored).into_keys().zip(numbers));
    }

    /// It took effect, or had none.
    pub(crate) fn answered(&mut self, sending: &Sending) {
        self.lanes.answered(&sending.noted.target);
        self.unstored.remove(&sending.place);
        self.over.extend(self.rows.remove(&sending.place));
    }

    /// It was refused, and waits for a person.
    pub(crate) fn refused(&mut self, sending: &Sending) {
        self.lanes.refused(&sending.noted.target);
    }

    /// Under which number it stands in the table, if it does.
    pub(crate) fn number(&self, sending: &Sending) -> Option<i64> {
        self.rows.get(&sending.place).copied()
    }

    /// Rows that are to be removed.
    pub(crate) fn over(&self) -> &[i64] {
        &self.over
    }

    /// They are removed.
    pub(crate) fn removed(&mut self) {
        self.over.clear();
    }
}

#[cfg(test)]
mod tests;
