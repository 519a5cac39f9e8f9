//! What counts as a purchase and what is said about the rest.

use super::*;

#[test]
fn a_line_is_a_purchase() {
    let purchase = Purchase::parse(" 00002 19970112  5   77.00").unwrap();
    let ordered_on = NaiveDate::from_ymd_opt(1997, 1, 12).unwrap();
    assert_eq!(purchase, Purchase { customer: "00002".to_owned(), ordered_on, units: 5, amount_minor: 7700 });
}

#[test]
fn cents_are_exact() {
    assert_eq!(cents("0.00"), Some(0));
    assert_eq!(cents("0.07"), Some(7));
    assert_eq!(cents("1286.01"), Some(128_601));
    assert_eq!(cents("12"), Some(1200));
    for bad in ["", ".", "1.", ".50", "1.5", "1.234", "-1.00", "+1.00", "1e3", "9999999999999999999.00"] {
        assert_eq!(cents(bad), None, "{bad}");
    }
}

#[test]
fn the_column_that_is_wrong_is_named() {
    assert_eq!(Purchase::parse("00001 19970101 1"), Err(BadLine::Columns(3)));
    assert_eq!(Purchase::parse("abc 19970101 1 1.00"), Err(BadLine::Customer("abc".to_owned())));
    assert_eq!(Purchase::parse("00001 19970231 1 1.00"), Err(BadLine::Date("19970231".to_owned())));
    assert_eq!(Purchase::parse("00001 1997-1-1 1 1.00"), Err(BadLine::Date("1997-1-1".to_owned())));
    assert_eq!(Purchase::parse("00001 19970101 -1 1.00"), Err(BadLine::Units("-1".to_owned())));
    assert_eq!(Purchase::parse("00001 19970101 +1 1.00"), Err(BadLine::Units("+1".to_owned())));
    assert_eq!(Purchase::parse("00001 19970101 1 NaN"), Err(BadLine::Amount("NaN".to_owned())));
}

#[test]
fn only_names_of_columns_are_a_header() {
    assert!(Purchase::is_header(" customer_id  date number_of_cds  dollar_value"));
    assert!(!Purchase::is_header(" 00001 19970101  1   11.77"));
    assert!(!Purchase::is_header("oops 19970101 1 1.00"));
    assert!(!Purchase::is_header(""));
}
