//! Days as shops write them.

use super::*;

#[test]
fn a_day_is_read_as_rfc_3339_or_as_its_format_says() {
    let expected = NaiveDate::from_ymd_opt(2024, 5, 1).unwrap();
    for (text, format) in [
        ("2024-05-01", None),
        ("2024-05-01T23:30:00Z", None),
        ("2024-05-02T01:30:00+02:00", None),
        ("01/05/2024", Some("%d/%m/%Y")),
        ("2024-04-30 20:30:00 -0500", Some("%Y-%m-%d %H:%M:%S %z")),
        ("1.5.2024 7:03", Some("%d.%m.%Y %H:%M")),
    ] {
        assert_eq!(day(text, format), Ok(expected), "{text}");
    }
    assert!(day("05/01/2024", None).unwrap_err().contains("--date-format"));
    assert!(day("31/02/2024", Some("%d/%m/%Y")).unwrap_err().contains("%d/%m/%Y"));
}

#[test]
fn a_format_that_cannot_be_read_by_is_refused_before_the_file_is() {
    assert!(check("%d/%m/%Y").is_ok());
    for format in ["%Q", "day", ""] {
        assert!(check(format).unwrap_err().to_string().contains("--date-format"), "{format}");
    }
}
