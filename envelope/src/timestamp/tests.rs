//! How times are written, read and cut.

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_time_is_written_with_microseconds_and_z() {
    for (read, written) in [
        ("1997-01-12T00:00:00Z", "1997-01-12T00:00:00.000000Z"),
        ("1997-01-12T01:30:00.5+01:30", "1997-01-12T00:00:00.500000Z"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999Z"),
    ] {
        assert_eq!(time(read).to_string(), written);
        assert_eq!(serde_json::to_string(&time(read)).unwrap(), format!("\"{written}\""));
        assert_eq!(serde_json::from_str::<Timestamp>(&format!("\"{read}\"")).unwrap(), time(written));
    }
}

#[test]
fn a_time_survives_its_microseconds() {
    for text in ["1997-01-12T00:00:00.000001Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"] {
        assert_eq!(Timestamp::from_micros(time(text).micros()), Some(time(text)));
    }
    assert_eq!(Timestamp::from_micros(i64::MAX), None);
}

#[test]
fn what_is_no_time_is_refused() {
    for text in ["", "1997-01-12", "1997-01-12T00:00:00", "1997-02-30T00:00:00Z", "0"] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}
