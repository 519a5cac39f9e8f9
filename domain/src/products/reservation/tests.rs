//! Every row of a reservation's `decide`, and what holds for any sequence of commands and events.

use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use event_schemas::ids::ProductId;
use event_schemas::products::ReservationEvent as It;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::tests::{Decides, a_repeat_adds_nothing, any_event_is_taken_and_stored, carry_out};
use crate::{Folded as _, shape};

const RESERVATION: ReservationId = ReservationId(Uuid::from_u128(1));
const ORDER: OrderId = OrderId(Uuid::from_u128(1));

fn given(events: Vec<It>) -> AggregateTestExecutor<Reservation> {
    TestFramework::with(()).given(events)
}

fn line(product: u128, quantity: i64) -> ReservedLine {
    ReservedLine { product: ProductId(Uuid::from_u128(product)), sku: "RED".parse().unwrap(), quantity }
}

fn until() -> Timestamp {
    Timestamp::from_micros(1_000_000).unwrap()
}

fn make(lines: Vec<ReservedLine>) -> ReservationCommand {
    ReservationCommand::Make { reservation: RESERVATION, order: ORDER, lines, until: until() }
}

fn decline() -> ReservationCommand {
    let (reason, lines) = (DeclineReason::NotEnough, vec![line(1, 2)]);
    ReservationCommand::Decline { reservation: RESERVATION, order: ORDER, reason, lines }
}

fn made() -> It {
    It::ReservationMade { reservation: RESERVATION, order: ORDER, lines: vec![line(1, 2)], until: until() }
}

fn declined() -> It {
    let (reason, lines) = (DeclineReason::NotEnough, vec![line(1, 2)]);
    It::ReservationDeclined { reservation: RESERVATION, order: ORDER, reason, lines }
}

#[test]
fn it_is_made_once_and_of_each_variant_once() {
    given(vec![]).when(make(vec![line(1, 2)])).then_expect_events(vec![made()]);
    given(vec![made()]).when(make(vec![line(1, 2)])).then_expect_events(vec![]);
    given(vec![made()]).when(make(vec![line(1, 3)])).then_expect_error(ReservationError::AlreadyMade);
    given(vec![]).when(make(vec![])).then_expect_error(ReservationError::BadLines);
    given(vec![]).when(make(vec![line(1, 2), line(1, 1)])).then_expect_error(ReservationError::BadLines);
    let many = (0..=RESERVED_LINES_MAX as u128).map(|product| line(product, 1)).collect();
    given(vec![]).when(make(many)).then_expect_error(ReservationError::BadLines);
}

#[test]
fn what_was_declined_stays_so_and_what_was_made_is_not_declined() {
    given(vec![]).when(decline()).then_expect_events(vec![declined()]);
    given(vec![declined()]).when(decline()).then_expect_events(vec![]);
    given(vec![declined()]).when(make(vec![line(1, 2)])).then_expect_error(ReservationError::Declined);
    given(vec![made()]).when(decline()).then_expect_events(vec![]);
    given(vec![declined()]).when(ReservationCommand::Commit).then_expect_error(ReservationError::NotFound);
    given(vec![declined()]).when(ReservationCommand::Release).then_expect_events(vec![]);
}

#[test]
fn it_is_released_or_committed_once() {
    use ReservationCommand::{Commit, Release};
    given(vec![made()]).when(Release).then_expect_events(vec![It::ReservationReleased {}]);
    given(vec![made()]).when(Commit).then_expect_events(vec![It::ReservationCommitted {}]);
    let (released, committed) = (vec![made(), It::ReservationReleased {}], vec![made(), It::ReservationCommitted {}]);
    given(released.clone()).when(Release).then_expect_events(vec![]);
    given(released.clone()).when(Commit).then_expect_error(ReservationError::Released);
    given(released).when(make(vec![line(1, 2)])).then_expect_error(ReservationError::Released);
    given(committed.clone()).when(Commit).then_expect_events(vec![]);
    given(committed.clone()).when(Release).then_expect_error(ReservationError::Committed);
    given(committed).when(make(vec![line(1, 2)])).then_expect_events(vec![]);
    given(vec![]).when(Release).then_expect_events(vec![]);
    given(vec![]).when(Commit).then_expect_error(ReservationError::NotFound);
}

#[test]
fn refusals_keep_their_kinds_and_codes() {
    use ReservationError as E;
    let all = [E::BadLines, E::AlreadyMade, E::Declined, E::Released, E::Committed, E::NotFound];
    let said: Vec<_> = all.iter().map(|error| (error.kind(), error.code())).collect();
    assert_eq!(
        said,
        [
            (Kind::Invalid, "reservation-lines-invalid"),
            (Kind::Conflict, "reservation-exists"),
            (Kind::Conflict, "reservation-declined"),
            (Kind::Conflict, "reservation-released"),
            (Kind::Conflict, "reservation-committed"),
            (Kind::Missing, "reservation-not-found"),
        ]
    );
}

/// Stored copies of states are recognised by their shape: if this fails, raise `FOLD` and write the new state here.
#[test]
fn the_golden_stream_still_folds_to_the_same_state() {
    let mut reservation = Reservation::default();
    reservation.evolve(made());
    reservation.evolve(It::ReservationCommitted {});
    assert_eq!(Reservation::FOLD, 1);
    assert_eq!(
        serde_json::to_string(&reservation).unwrap(),
        concat!(
            r#"{"Committed":{"order":"00000000-0000-0000-0000-000000000001","lines":[{"product":"#,
            r#""00000000-0000-0000-0000-000000000001","sku":"RED","quantity":2}],"#,
            r#""until":"1970-01-01T00:00:01.000000Z"}}"#
        )
    );
    assert!(shape::<Reservation>().starts_with("reservation/1/{"));
}

fn commands() -> impl Strategy<Value = ReservationCommand> {
    prop_oneof![
        (0u128..3, 1i64..3).prop_map(|(product, quantity)| make(vec![line(product, quantity)])),
        Just(make(vec![])),
        Just(decline()),
        Just(ReservationCommand::Release),
        Just(ReservationCommand::Commit),
    ]
}

impl Decides for Reservation {
    fn decide(&self, command: ReservationCommand) -> Result<Vec<It>, ReservationError> {
        self.decide(command)
    }
}

proptest! {
    #[test]
    fn any_command_twice_adds_nothing_the_second_time(
        before in prop::collection::vec(commands(), 0..6),
        command in commands(),
    ) {
        a_repeat_adds_nothing::<Reservation>(before, command)?;
    }

    #[test]
    fn it_ends_in_one_way_only(all in prop::collection::vec(commands(), 0..20)) {
        let mut reservation = Reservation::default();
        let happened: Vec<_> =
            all.into_iter().filter_map(|command| carry_out(&mut reservation, command).ok()).flatten().collect();
        let names: Vec<_> = happened.iter().map(It::name).collect();
        let possible: [&[&str]; 5] = [
            &[],
            &["ReservationMade"],
            &["ReservationDeclined"],
            &["ReservationMade", "ReservationReleased"],
            &["ReservationMade", "ReservationCommitted"],
        ];
        prop_assert!(possible.contains(&names.as_slice()), "{:?}", names);
    }

    #[test]
    fn evolve_takes_any_event_and_its_state_survives_storage(which in prop::collection::vec(0u8..4, 0..20)) {
        let event = |which: u8| match which {
            0 => made(),
            1 => declined(),
            2 => It::ReservationReleased {},
            _ => It::ReservationCommitted {},
        };
        any_event_is_taken_and_stored::<Reservation>(which.into_iter().map(event))?;
    }
}
