//! Readers with a token: each asks one process for the view, waits as the query side does, and judges what it is shown.

use std::collections::BTreeMap;

use envelope::Position;
use futures::FutureExt as _;
use platform::progress::{Seen, Waiting};
use platform::token::ConsistencyToken;
use tokio::time::Instant;

use crate::clients::{Client, entry};
use crate::mutant::Mutant;
use crate::views::{CONTEXT, VIEW};
use crate::world::World;

/// After so long a reader is told to come again.
const PATIENCE_MS: u64 = 1_500;

pub(crate) struct Reader {
    token: ConsistencyToken,
    /// What its client has written: it must be shown.
    wrote: BTreeMap<usize, (i64, Position)>,
    since_ms: u64,
    /// Where it asked, while it waits.
    asked: Option<(usize, Waiting)>,
}

impl Reader {
    pub(crate) fn new(client: &Client, now_ms: u64) -> Self {
        Self { token: client.token.clone(), wrote: client.wrote.clone(), since_ms: now_ms, asked: None }
    }
}

impl World {
    pub(crate) fn readers_step(&mut self) {
        for mut reader in std::mem::take(&mut self.readers) {
            let at = match &reader.asked {
                Some((at, _)) => *at,
                None => {
                    let at = self.dice.below(self.projectors.len());
                    let waiting = self.projectors[at].progress.begin_to_wait(VIEW, CONTEXT.name());
                    reader.asked = Some((at, waiting));
                    at
                }
            };
            match self.fresh(at, &reader.token) {
                Some(whole) => self.answer(&reader, whole),
                None if self.now_ms > reader.since_ms + PATIENCE_MS => self.note(|| "a reader is too early".to_owned()),
                None => self.readers.push(reader),
            }
        }
    }

    /// Whether the view has what the token names, and if so, whether all of it.
    fn fresh(&self, at: usize, token: &ConsistencyToken) -> Option<bool> {
        if self.is(Mutant::TokenIgnored) {
            return Some(true);
        }
        let mut all = true;
        for ((_, partition), place) in &token.touched {
            let progress = &self.projectors[at].progress;
            let far = Instant::now() + std::time::Duration::from_secs(3_600);
            match progress.wait(VIEW, CONTEXT.name(), *partition, *place, far).now_or_never()? {
                Some(Seen::Reached { whole }) => all &= whole,
                Some(Seen::OtherHistory) => panic!("there is but one history"),
                Some(Seen::Late) => return None,
                // Another process builds it: its checkpoints say how far it is.
                None => {
                    let held = self.views.checkpoint(usize::try_from(*partition).unwrap_or_default())?;
                    if held.position < place.1 {
                        return None;
                    }
                    all = false;
                }
            }
        }
        Some(all)
    }

    /// A token is never answered with an older state.
    fn answer(&mut self, reader: &Reader, whole: bool) {
        let parked = !whole && reader.wrote.keys().any(|gate| self.views.is_parked(*gate));
        self.note(|| format!("a reader is answered{}", if parked { ": it is parked" } else { "" }));
        if parked {
            return self.tally.count("(readers told that something is parked)");
        }
        self.tally.count("(readers answered)");
        for (gate, (sequence, position)) in &reader.wrote {
            let shown = self.views.shown(*gate).version;
            assert!(
                shown >= *sequence,
                "a reader who wrote event {sequence} of gate {gate} at {position:?}, token {:?}, sees version {shown}",
                reader.token.touched.get(&entry(*gate)).map(|(_, position)| position)
            );
        }
    }
}
