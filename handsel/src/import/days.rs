//! The day of a time as shops write it: of a time with an offset, the day in UTC.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::amounts::shown;

/// Whether a format can be read by.
pub(super) fn check(format: &str) -> anyhow::Result<()> {
    let has_error = StrftimeItems::new(format).any(|item| matches!(item, Item::Error));
    let has_day = StrftimeItems::new(format).any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(..)));
    anyhow::ensure!(
        !has_error && has_day,
        "`{format}` is no format of dates; write for example --date-format '%d/%m/%Y' or \
         --date-format '%Y-%m-%d %H:%M:%S %z'"
    );
    Ok(())
}

/// The day that a text names.
pub(super) fn day(text: &str, format: Option<&str>) -> Result<NaiveDate, String> {
    let Some(format) = format else {
        let time = DateTime::parse_from_rfc3339(text).map(|time| time.naive_utc().date());
        return time.or_else(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d")).map_err(|_| {
            format!(
                "`{}` is no date such as 2024-05-01 or 2024-05-01T12:00:00Z; say how dates are written with \
                 --date-format",
                shown(text)
            )
        });
    };
    DateTime::parse_from_str(text, format)
        .map(|time| time.naive_utc().date())
        .or_else(|_| NaiveDateTime::parse_from_str(text, format).map(|time| time.date()))
        .or_else(|_| NaiveDate::parse_from_str(text, format))
        .map_err(|_| format!("`{}` is no date of the form `{format}`", shown(text)))
}

#[cfg(test)]
mod tests;
