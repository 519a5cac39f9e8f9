use super::*;

const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_header_is_read_and_written_without_change() {
    let parent: TraceParent = HEADER.parse().unwrap();
    assert!(parent.sampled);
    assert_eq!(parent.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(parent.to_string(), HEADER);
    let root = TraceParent::new_root();
    assert_eq!(root.to_string().parse(), Ok(root));
}

#[test]
fn a_later_version_with_more_parts_is_understood() {
    let parent: TraceParent = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more".parse().unwrap();
    assert!(!parent.sampled);
}

#[test]
fn broken_headers_are_refused() {
    for broken in [
        "",
        "00",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        assert_eq!(broken.parse::<TraceParent>(), Err(NotATraceParent), "{broken}");
    }
}
