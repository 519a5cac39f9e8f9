use super::*;

fn held(position: i64, event: u128) -> Checkpoint {
    let history = History(Uuid::from_u128(1));
    let event_id = Some(Uuid::from_u128(event));
    Checkpoint { position: Position(position), event_id, complete: true, ..Checkpoint::before(history) }
}

fn head(position: i64, event: u128, history: u128) -> Head {
    let (position, event_id) = (Position(position), Some(Uuid::from_u128(event)));
    Head { position, event_id, history: History(Uuid::from_u128(history)) }
}

#[test]
fn it_survives_being_written() {
    let ours = held(7, 70);
    assert_eq!(Checkpoint::read(Some(&ours.write().unwrap())), Ok(ours));
}

#[test]
fn what_cannot_go_on_says_why() {
    assert_eq!(Checkpoint::read(None), Err(Foreign::Fresh));
    assert_eq!(Checkpoint::read(Some("{}")), Err(Foreign::Unreadable));
    let other = Checkpoint { shape: SHAPE + 1, ..held(7, 70) };
    assert_eq!(Checkpoint::read(Some(&other.write().unwrap())), Err(Foreign::OtherShape));
}

#[test]
fn another_program_tries_again_what_was_set_aside_and_nothing_else() {
    let older = Checkpoint { program: "0.0.0".to_owned(), ..held(7, 70) };
    assert_eq!(Checkpoint::read(Some(&older.write().unwrap())), Ok(older.clone()));
    let aside = Checkpoint { set_aside: 1, ..older };
    assert_eq!(Checkpoint::read(Some(&aside.write().unwrap())), Err(Foreign::OtherProgram));
    let ours = Checkpoint { set_aside: 1, ..held(7, 70) };
    assert_eq!(Checkpoint::read(Some(&ours.write().unwrap())), Ok(ours));
}

#[test]
fn a_store_that_lost_events_or_began_another_history_is_another_store() {
    assert_eq!(held(7, 70).fits(&head(7, 70, 1)), Ok(()));
    assert_eq!(held(7, 70).fits(&head(9, 90, 1)), Ok(()));
    for other in [head(6, 60, 1), head(7, 71, 1), head(7, 70, 2), head(9, 90, 2)] {
        assert_eq!(held(7, 70).fits(&other), Err(Foreign::OtherStore), "{other:?}");
    }
    let empty = Head { position: Position::ZERO, event_id: None, history: History(Uuid::from_u128(1)) };
    assert_eq!(Checkpoint::before(empty.history).fits(&empty), Ok(()));
}
