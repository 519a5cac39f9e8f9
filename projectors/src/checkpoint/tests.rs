use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const CONTEXT: Context = Context::Orders;
const HISTORY: History = History(Uuid::from_u128(7));
const PARTITIONS: i32 = 3;

/// What can happen to a topic and its reader between two polls.
#[derive(Clone, Debug)]
enum Fate {
    /// The next events are delivered, in polls of so many.
    Deliver(usize),
    /// So many events never arrive.
    Lose(usize),
    /// The reader goes back so many events, as after a restart.
    Repeat(usize),
    /// The topic is emptied and begins again.
    Wipe,
    /// Nothing comes for a while although the store is ahead.
    Silence,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        4 => (1..20usize).prop_map(Fate::Deliver),
        2 => (1..5usize).prop_map(Fate::Lose),
        2 => (1..30usize).prop_map(Fate::Repeat),
        1 => Just(Fate::Wipe),
        1 => Just(Fate::Silence),
    ];
    vec(fate, 0..60)
}

/// A view that applies what the cursor says and remembers the order.
struct Reader {
    cursor: Cursor,
    applied: BTreeMap<i32, Vec<i64>>,
}

fn at(position: i64) -> Checkpoint {
    Checkpoint { history: HISTORY, position: Position(position), event_id: None, topic_offset: None }
}

fn place(partition: i32) -> Place {
    Place { context: CONTEXT, partition }
}

fn id(position: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(position).expect("positions are positive"))
}

/// The record of the event at `position`, when each event stands in the partition that `partitions` says.
fn stamp(partitions: &[i32], position: i64) -> Stamp {
    let index = usize::try_from(position - 1).expect("positions begin at 1");
    let previous = partitions[..index].iter().rposition(|one| *one == partitions[index]).map_or(0, |index| index + 1);
    Stamp {
        place: place(partitions[index]),
        history: HISTORY,
        previous: Position(i64::try_from(previous).expect("small")),
        position: Position(position),
        event_id: id(position),
        offset: position,
    }
}

impl Reader {
    fn new() -> Self {
        let at = (0..PARTITIONS).map(|partition| (place(partition), at(0))).collect();
        Self { cursor: Cursor::new(at), applied: BTreeMap::new() }
    }

    fn take(&mut self, partitions: &[i32], mut records: &[Stamp]) {
        while !records.is_empty() {
            let plan = self.cursor.plan(records.iter().copied());
            for index in &plan.apply {
                self.applied.entry(records[*index].place.partition).or_default().push(records[*index].position.get());
            }
            self.cursor.advance(&plan.moves);
            let Some((index, verdict)) = plan.stopped else { return };
            assert_eq!(verdict, Verdict::Gap);
            self.read_store(partitions);
            records = &records[index..];
        }
    }

    fn read_store(&mut self, partitions: &[i32]) {
        let from = self.cursor.places().map(|(_, held)| held.position.get()).min().expect("it holds places");
        let to = i64::try_from(partitions.len()).expect("small");
        if from == to {
            return;
        }
        let events: Vec<_> = (from + 1..=to).map(|at| (stamp(partitions, at).place.partition, Position(at))).collect();
        let plan = self.cursor.plan_store(CONTEXT, (Position(to), id(to)), events.iter().copied());
        for index in &plan.apply {
            self.applied.entry(events[*index].0).or_default().push(events[*index].1.get());
        }
        self.cursor.advance(&plan.moves);
    }
}

proptest! {
    #[test]
    fn whatever_the_topic_does_each_event_is_applied_once_and_in_order(
        partitions in vec(0..PARTITIONS, 1..120),
        fates in fates(),
    ) {
        let mut reader = Reader::new();
        let (mut next, end) = (1, i64::try_from(partitions.len()).expect("small"));
        for fate in fates {
            match fate {
                Fate::Deliver(count) => {
                    let to = (next + i64::try_from(count).expect("small")).min(end + 1);
                    let records: Vec<_> = (next..to).map(|position| stamp(&partitions, position)).collect();
                    reader.take(&partitions, &records);
                    next = to;
                }
                Fate::Lose(count) => next = (next + i64::try_from(count).expect("small")).min(end + 1),
                Fate::Repeat(count) => next = (next - i64::try_from(count).expect("small")).max(1),
                Fate::Wipe => next = 1,
                Fate::Silence => reader.read_store(&partitions),
            }
        }
        reader.read_store(&partitions);
        for partition in 0..PARTITIONS {
            let expected: Vec<i64> = (1..=end)
                .filter(|position| stamp(&partitions, *position).place.partition == partition)
                .collect();
            prop_assert_eq!(reader.applied.remove(&partition).unwrap_or_default(), expected);
        }
    }
}

#[test]
fn a_record_of_another_history_stops_the_plan() {
    let cursor = Cursor::new([(place(0), at(3))].into());
    let record = Stamp { history: History(Uuid::from_u128(8)), ..stamp(&[0, 0, 0, 0], 4) };
    assert_eq!(cursor.plan([record].into_iter()).stopped, Some((0, Verdict::OtherHistory)));
}

#[test]
fn records_of_places_held_by_others_are_left_to_them() {
    let cursor = Cursor::new([(place(1), at(0))].into());
    let plan = cursor.plan([stamp(&[0, 1], 1), stamp(&[0, 1], 2)].into_iter());
    assert_eq!(plan.apply, [1]);
    assert_eq!(plan.moves.keys().copied().collect::<Vec<_>>(), [place(1)]);
}

#[test]
fn a_projection_of_the_whole_store_takes_every_partition() {
    let cursor = Cursor::new([(place(WHOLE_STORE), at(1))].into());
    let events = [(0, Position(1)), (2, Position(2)), (1, Position(3))];
    let plan = cursor.plan_store(CONTEXT, (Position(3), id(3)), events.into_iter());
    assert_eq!(plan.apply, [1, 2]);
    assert_eq!(plan.moves[&place(WHOLE_STORE)].1.position, Position(3));
}

#[test]
fn the_end_of_a_piece_of_the_store_is_the_checkpoint_of_quiet_partitions_too() {
    let cursor = Cursor::new((0..PARTITIONS).map(|partition| (place(partition), at(0))).collect());
    let plan = cursor.plan_store(CONTEXT, (Position(2), id(2)), [(0, Position(1)), (0, Position(2))].into_iter());
    assert_eq!(plan.moves.len(), 3);
    assert!(plan.moves.values().all(|(_, to)| to.position == Position(2)));
}

#[test]
fn a_store_that_ends_before_a_checkpoint_or_otherwise_there_is_another_one() {
    let held = Checkpoint { event_id: Some(id(3)), ..at(3) };
    let head = |position, event_id| Head { position: Position(position), event_id, history: HISTORY };
    assert!(held.fits(&head(4, Some(id(9)))));
    assert!(held.fits(&head(3, Some(id(3)))));
    assert!(at(0).fits(&head(0, None)));
    assert!(!held.fits(&head(3, Some(id(9)))));
    assert!(!held.fits(&head(2, Some(id(2)))));
    assert!(!held.fits(&Head { history: History(Uuid::from_u128(8)), ..head(4, None) }));
}
