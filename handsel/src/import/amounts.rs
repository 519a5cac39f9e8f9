//! Amounts as shops write them, read digit by digit: no fraction is ever rounded.

use event_schemas::Currency;

const SHOWN_CHARS_MAX: usize = 40;

/// How many digits a currency has behind its mark, by ISO 4217.
#[must_use]
pub(super) fn digits(currency: Currency) -> usize {
    match currency.code() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// An amount such as `12.5` in the smallest unit of its currency, such as 1250.
pub(super) fn minor_units(text: &str, currency: Currency, mark: char) -> Result<i64, String> {
    let no = |why: &str| format!("`{}` is no amount of {currency}: {why}", shown(text));
    let (whole, fraction) = text.split_once(mark).unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    if !has_digits || !is_digits(whole) || !is_digits(fraction) {
        let other = if mark == '.' { ',' } else { '.' };
        return Err(no(&format!(
            "write digits and one `{mark}` without signs, letters or separators of thousands, \
             or say --decimal-mark '{other}'"
        )));
    }
    let digits = digits(currency);
    let (kept, beyond) = fraction.split_at(fraction.len().min(digits));
    if beyond.bytes().any(|digit| digit != b'0') {
        return Err(no(&format!("it has more than {digits} digits behind the mark, and nothing is rounded")));
    }
    let all = format!("{}{kept:0<digits$}", if whole.is_empty() { "0" } else { whole });
    all.parse().map_err(|_| no("it is too large"))
}

/// An amount that is in the smallest unit already.
pub(super) fn whole(text: &str) -> Result<i64, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| format!("`{}` is no whole number of minor units (cents)", shown(text)))
}

/// A number of pieces; zero and less are none.
pub(super) fn pieces(text: &str) -> Result<i64, String> {
    let number: Option<i64> = text.parse().ok();
    number.map(|number| number.max(0)).ok_or_else(|| format!("`{}` is no number of pieces", shown(text)))
}

/// How many pieces somebody bought. A line that takes some back would make the order smaller than it was.
pub(super) fn bought(text: &str) -> Result<i64, String> {
    let number: Option<i64> = text.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| format!("`{}` is no number of pieces that somebody bought", shown(text)))
}

/// As much of a text as a message can bear.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
