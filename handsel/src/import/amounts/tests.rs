//! Amounts to the last digit.

use super::*;

fn of(text: &str, currency: &str) -> Result<i64, String> {
    minor_units(text, currency.parse().unwrap(), '.')
}

#[test]
fn the_currency_says_how_many_digits_there_are() {
    for (text, currency, amount) in [
        ("12.34", "EUR", 1234),
        ("12", "EUR", 1200),
        ("12.3", "EUR", 1230),
        (".5", "EUR", 50),
        ("12.3400", "EUR", 1234),
        ("1200", "JPY", 1200),
        ("1200.00", "JPY", 1200),
        ("1.234", "KWD", 1234),
        ("0.00", "USD", 0),
        ("92233720368547758.07", "USD", i64::MAX),
    ] {
        assert_eq!(of(text, currency), Ok(amount), "{text} {currency}");
    }
}

#[test]
fn nothing_is_rounded_or_guessed() {
    for text in
        ["12.345", "-1", "+1", "1,234.50", "1e3", "12.3.4", "", ".", "USD 5", "$5", "１２", "99999999999999999999"]
    {
        let why = of(text, "EUR").unwrap_err();
        assert!(why.starts_with(&format!("`{text}` is no amount of EUR: ")), "{why}");
    }
    assert!(of("1.5", "JPY").unwrap_err().contains("nothing is rounded"));
}

#[test]
fn another_mark_may_stand_before_the_cents() {
    assert_eq!(minor_units("12,34", Currency::USD, ','), Ok(1234));
    assert!(minor_units("12,34", Currency::USD, '.').unwrap_err().contains("--decimal-mark ','"));
}

#[test]
fn pieces_and_minor_units_are_whole() {
    assert_eq!((pieces("7"), pieces("0"), pieces("-3")), (Ok(7), Ok(0), Ok(0)));
    assert!(pieces("1.5").is_err() && pieces("many").is_err());
    assert_eq!((bought("7"), bought("0")), (Ok(7), Ok(0)));
    for text in ["-1", "1.5", "9223372036854775808", ""] {
        assert_eq!(bought(text), Err(format!("`{text}` is no number of pieces that somebody bought")));
    }
    assert_eq!(whole("1250"), Ok(1250));
    assert!(whole("12.50").is_err() && whole("-1").is_err() && whole("").is_err());
}
