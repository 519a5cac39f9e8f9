//! The protocol of relay and reader holds in every state within small bounds, and planted mistakes are found.

use simulation::model::{Bounds, walk};

#[test]
fn in_every_state_a_reader_without_the_store_is_right_and_at_rest_it_has_everything() {
    for bounds in Bounds::SMALL {
        let walked = walk(*bounds);
        eprintln!("{walked}");
        assert_eq!(walked.broken, None, "{bounds:?}");
        assert!(walked.states > 1_000, "{walked}");
    }
}

#[test]
fn every_mistake_in_the_protocol_is_found() {
    for bounds in Bounds::BROKEN {
        let walked = walk(*bounds);
        assert!(walked.broken.is_some(), "{walked}");
    }
}
