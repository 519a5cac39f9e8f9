//! What counts as a currency, and how money is written.

use super::*;

#[test]
fn money_is_written_in_minor_units() {
    let money = Money { amount_minor: 1177, currency: Currency::USD };
    let json = r#"{"amount_minor":1177,"currency":"USD"}"#;
    assert_eq!(serde_json::to_string(&money).unwrap(), json);
    assert_eq!(serde_json::from_str::<Money>(json).unwrap(), money);
    assert_eq!(serde_json::from_reader::<_, Money>(json.as_bytes()).unwrap(), money);
}

#[test]
fn a_currency_is_three_upper_case_letters() {
    for good in ["USD", "EUR", "CHF"] {
        assert_eq!(good.parse::<Currency>().unwrap().to_string(), good);
    }
    for bad in ["", "US", "USDT", "usd", "Usd", "U$D", "ÜS", "U D", "12A", "USD "] {
        assert_eq!(bad.parse::<Currency>(), Err(NotACurrency), "{bad}");
    }
}

#[test]
fn a_wrong_currency_is_refused_with_its_reason() {
    for json in [r#"{"amount_minor":1,"currency":"usd"}"#, r#"{"amount_minor":1,"currency":"US\u0044\u0044"}"#] {
        let says = serde_json::from_str::<Money>(json).unwrap_err().to_string();
        assert!(says.starts_with("a currency is three upper-case letters, such as USD"), "{says}");
    }
    assert!(serde_json::from_str::<Money>(r#"{"amount_minor":1.5,"currency":"USD"}"#).is_err());
    assert!(serde_json::from_str::<Money>(r#"{"amount_minor":1}"#).is_err());
}
