use super::*;

#[test]
fn large_events_are_asked_for_in_small_numbers() {
    assert_eq!(slice_events(RANGE_BYTES_MAX, 600), SLICE_EVENTS_MAX);
    assert_eq!(slice_events(RANGE_BYTES_MAX, 512 << 10), 32);
    assert_eq!(slice_events(0, 512 << 10), 1);
    assert_eq!(slice_events(RANGE_BYTES_MAX, 0), SLICE_EVENTS_MAX);
}
