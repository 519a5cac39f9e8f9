//! Amounts of money as people write them.

use event_schemas::Money;

/// Currencies whose smallest unit is not a hundredth, with the number of their decimals (ISO 4217).
const DECIMALS: [(&str, usize); 26] = [
    ("BHD", 3),
    ("BIF", 0),
    ("CLF", 4),
    ("CLP", 0),
    ("DJF", 0),
    ("GNF", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KMF", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("LYD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("RWF", 0),
    ("TND", 3),
    ("UGX", 0),
    ("UYI", 0),
    ("UYW", 4),
    ("VND", 0),
    ("VUV", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];
const DECIMALS_USUAL: usize = 2;

/// The amount with its decimals and its currency: `1234.50 USD`. Nothing is rounded.
pub(super) fn amount(money: Money) -> String {
    let Money { amount_minor, currency } = money;
    let code = currency.code();
    let listed = DECIMALS.iter().find(|(listed, _)| *listed == code);
    let decimals = listed.map_or(DECIMALS_USUAL, |(_, decimals)| *decimals);
    let digits = format!("{:0>width$}", amount_minor.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let (sign, point) = (if amount_minor < 0 { "-" } else { "" }, if decimals > 0 { "." } else { "" });
    format!("{sign}{whole}{point}{part} {code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(amount_minor: i64, currency: &str) -> String {
        amount(Money { amount_minor, currency: currency.parse().unwrap() })
    }

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        for (amount_minor, currency, expected) in [
            (123_450, "USD", "1234.50 USD"),
            (5, "EUR", "0.05 EUR"),
            (0, "EUR", "0.00 EUR"),
            (-5, "EUR", "-0.05 EUR"),
            (1_500, "JPY", "1500 JPY"),
            (0, "KRW", "0 KRW"),
            (700, "XPF", "700 XPF"),
            (1_234, "KWD", "1.234 KWD"),
            (1, "CLF", "0.0001 CLF"),
            (i64::MIN, "USD", "-92233720368547758.08 USD"),
        ] {
            assert_eq!(written(amount_minor, currency), expected);
        }
    }
}
