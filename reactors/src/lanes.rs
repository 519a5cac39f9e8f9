//! Which command is sent next: to one aggregate one after another, to different ones side by side.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::dispatches::Noted;

/// Type and id of an aggregate.
type Target = (String, String);

/// A command on its way.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    /// Its place in the order of all that a session sends.
    pub(crate) place: u64,
    pub(crate) noted: Arc<Noted>,
}

/// Commands that are not answered yet.
#[derive(Default)]
pub(crate) struct Lanes {
    waiting: HashMap<Target, VecDeque<Sending>>,
    /// Lanes whose first command can be sent.
    ready: VecDeque<Target>,
    /// Lanes of which one is under way.
    busy: HashSet<Target>,
    /// Lanes whose first command was refused: nothing passes it.
    parked: HashSet<Target>,
    len: usize,
}

impl Lanes {
    /// How many commands wait, without those under way and those that are held back.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// For how many aggregates something was refused.
    pub(crate) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// One more, behind all others for the same aggregate.
    pub(crate) fn push(&mut self, sending: Sending) {
        let target = sending.noted.target.clone();
        if self.parked.contains(&target) {
            // It is read again when the one before it is settled.
            return;
        }
        let lane = self.waiting.entry(target.clone()).or_default();
        let first = lane.is_empty();
        lane.push_back(sending);
        self.len += 1;
        if first && !self.busy.contains(&target) {
            self.ready.push_back(target);
        }
    }

    /// The next command to send. Its lane is busy until it is [`Lanes::answered`] or [`Lanes::refused`].
    pub(crate) fn next(&mut self) -> Option<Sending> {
        let target = self.ready.pop_front()?;
        let lane = self.waiting.get_mut(&target)?;
        let sending = lane.pop_front()?;
        self.len -= 1;
        if lane.is_empty() {
            self.waiting.remove(&target);
        }
        self.busy.insert(target);
        Some(sending)
    }

    /// The command under way for this aggregate took effect, or had none.
    pub(crate) fn answered(&mut self, target: &Target) {
        self.busy.remove(target);
        if self.waiting.contains_key(target) {
            self.ready.push_back(target.clone());
        }
    }

    /// What is asked of this aggregate was refused, so that it and all behind it wait for a person.
    pub(crate) fn refused(&mut self, target: &Target) {
        self.busy.remove(target);
        self.len -= self.waiting.remove(target).map_or(0, |lane| lane.len());
        self.parked.insert(target.clone());
    }
}

#[cfg(test)]
mod tests {
    use domain::policies::{Dispatch, OrderAsk};
    use envelope::{Cause, Position};
    use event_schemas::Context;
    use event_schemas::ids::OrderId;
    use uuid::Uuid;

    use super::*;
    use crate::dispatches::LedBy;

    fn sending(place: u64, target: &str) -> Sending {
        let (context, position) = (Context::Orders, Position::ZERO);
        let cause = Cause::new("ana", Uuid::nil());
        let noted = Noted {
            led_by: LedBy { context, position, ordinal: 0, event_id: Uuid::nil(), cause },
            target: ("order".to_owned(), target.to_owned()),
            dispatch: Dispatch::Order { order: OrderId(Uuid::nil()), ask: OrderAsk::Reserve },
        };
        Sending { place, noted: Arc::new(noted) }
    }

    fn next(lanes: &mut Lanes) -> Option<u64> {
        lanes.next().map(|sending| sending.place)
    }

    #[test]
    fn one_aggregate_is_asked_one_after_another_and_others_meanwhile() {
        let mut lanes = Lanes::default();
        for (place, target) in [(1, "a"), (2, "a"), (3, "b")] {
            lanes.push(sending(place, target));
        }
        assert_eq!((next(&mut lanes), next(&mut lanes), next(&mut lanes)), (Some(1), Some(3), None));
        lanes.push(sending(4, "b"));
        assert_eq!(next(&mut lanes), None);
        lanes.answered(&("order".into(), "b".into()));
        assert_eq!((next(&mut lanes), lanes.len()), (Some(4), 1));
        lanes.answered(&("order".into(), "a".into()));
        assert_eq!((next(&mut lanes), lanes.len()), (Some(2), 0));
        lanes.answered(&("order".into(), "a".into()));
        assert_eq!(next(&mut lanes), None);
    }

    #[test]
    fn nothing_passes_what_was_refused() {
        let mut lanes = Lanes::default();
        for (place, target) in [(1, "a"), (2, "a"), (3, "b")] {
            lanes.push(sending(place, target));
        }
        assert_eq!(next(&mut lanes), Some(1));
        lanes.refused(&("order".into(), "a".into()));
        lanes.push(sending(4, "a"));
        assert_eq!((next(&mut lanes), next(&mut lanes), lanes.len()), (Some(3), None, 0));
    }

    #[test]
    fn what_was_refused_before_the_start_holds_its_lane() {
        let mut lanes = Lanes::default();
        lanes.refused(&("order".into(), "a".into()));
        lanes.push(sending(2, "a"));
        lanes.push(sending(3, "b"));
        assert_eq!((next(&mut lanes), next(&mut lanes)), (Some(3), None));
    }
}
