//! Which command is sent next: to one aggregate one after another, to different ones side by side.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::dispatches::Noted;

/// Type and id of an aggregate.
type Target = (String, String);

/// Commands that were noted and are not answered yet.
#[derive(Default)]
pub(crate) struct Lanes {
    waiting: HashMap<Target, VecDeque<Noted>>,
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
    pub(crate) fn push(&mut self, noted: Noted) {
        let target = noted.target.clone();
        if noted.parked {
            self.parked.insert(target);
            return;
        }
        if self.parked.contains(&target) {
            // It is read again when the one before it is settled.
            return;
        }
        let lane = self.waiting.entry(target.clone()).or_default();
        let first = lane.is_empty();
        lane.push_back(noted);
        self.len += 1;
        if first && !self.busy.contains(&target) {
            self.ready.push_back(target);
        }
    }

    /// The next command to send. Its lane is busy until it is [`Lanes::answered`] or [`Lanes::refused`].
    pub(crate) fn next(&mut self) -> Option<Noted> {
        let target = self.ready.pop_front()?;
        let lane = self.waiting.get_mut(&target)?;
        let noted = lane.pop_front()?;
        self.len -= 1;
        if lane.is_empty() {
            self.waiting.remove(&target);
        }
        self.busy.insert(target);
        Some(noted)
    }

    /// The command under way for this aggregate took effect, or had none.
    pub(crate) fn answered(&mut self, target: &Target) {
        self.busy.remove(target);
        if self.waiting.contains_key(target) {
            self.ready.push_back(target.clone());
        }
    }

    /// The command under way was refused, so that it and all behind it wait for a person.
    pub(crate) fn refused(&mut self, target: &Target) {
        self.busy.remove(target);
        self.len -= self.waiting.remove(target).map_or(0, |lane| lane.len());
        self.parked.insert(target.clone());
    }
}

#[cfg(test)]
mod tests {
    use domain::policies::{Dispatch, OrderAsk};
    use envelope::Cause;
    use event_schemas::ids::OrderId;
    use uuid::Uuid;

    use super::*;

    fn noted(number: i64, target: &str) -> Noted {
        Noted {
            number,
            event_id: Uuid::nil(),
            ordinal: 0,
            cause: Cause::new("ana", Uuid::nil()),
            target: ("order".to_owned(), target.to_owned()),
            dispatch: Dispatch::Order { order: OrderId(Uuid::nil()), ask: OrderAsk::Reserve },
            parked: false,
        }
    }

    fn next(lanes: &mut Lanes) -> Option<i64> {
        lanes.next().map(|noted| noted.number)
    }

    #[test]
    fn one_aggregate_is_asked_one_after_another_and_others_meanwhile() {
        let mut lanes = Lanes::default();
        for (number, target) in [(1, "a"), (2, "a"), (3, "b")] {
            lanes.push(noted(number, target));
        }
        assert_eq!((next(&mut lanes), next(&mut lanes), next(&mut lanes)), (Some(1), Some(3), None));
        lanes.push(noted(4, "b"));
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
        for (number, target) in [(1, "a"), (2, "a"), (3, "b")] {
            lanes.push(noted(number, target));
        }
        assert_eq!(next(&mut lanes), Some(1));
        lanes.refused(&("order".into(), "a".into()));
        lanes.push(noted(4, "a"));
        assert_eq!((next(&mut lanes), next(&mut lanes), lanes.len()), (Some(3), None, 0));
    }

    #[test]
    fn what_was_parked_before_the_start_holds_its_lane() {
        let mut lanes = Lanes::default();
        lanes.push(Noted { parked: true, ..noted(1, "a") });
        lanes.push(noted(2, "a"));
        lanes.push(noted(3, "b"));
        assert_eq!((next(&mut lanes), next(&mut lanes)), (Some(3), None));
    }
}
