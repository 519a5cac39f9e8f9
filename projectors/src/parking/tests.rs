use std::collections::HashSet;

use super::{Fate, Parking};

#[test]
fn what_comes_after_a_parked_event_waits_behind_it_and_others_go_on() {
    let mut parking = Parking::new(HashSet::from(["a"]));
    assert_eq!((parking.fate(&"a"), parking.fate(&"b")), (Fate::Behind, Fate::Apply));
    parking.parked("b");
    assert_eq!((parking.fate(&"b"), parking.fate(&"c")), (Fate::Behind, Fate::Apply));
    assert!(parking.parks());
}

#[test]
fn nothing_is_parked_as_long_as_everything_is_applied() {
    let parking = Parking::<&str>::new(HashSet::new());
    assert_eq!(parking.fate(&"a"), Fate::Apply);
    assert!(!parking.parks());
}
