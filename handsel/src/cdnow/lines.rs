//! One line is one purchase. Amounts are read digit by digit: no fraction is ever rounded.

use chrono::NaiveDate;

/// What a line says. Its number, never its content, tells it from other lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The operator's number of the customer.
    pub customer: String,
    /// The day of the purchase.
    pub ordered_on: NaiveDate,
    /// How many CDs.
    pub units: u32,
    /// What was paid for all of them, in cents.
    pub amount_minor: i64,
}

/// Why a line cannot be a purchase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Other than four columns.
    #[error("{0} columns instead of four (customer, date, number of CDs, dollars)")]
    Columns(usize),
    /// The first column is no number of a customer.
    #[error("`{0}` is no customer number (1 to 20 digits)")]
    Customer(String),
    /// The second column is no day.
    #[error("`{0}` is no date (YYYYMMDD)")]
    Date(String),
    /// The third column is no number of pieces.
    #[error("`{0}` is no number of CDs")]
    Units(String),
    /// The fourth column is no amount.
    #[error("`{0}` is no amount (dollars and two digits of cents)")]
    Amount(String),
    /// No text at all.
    #[error("not UTF-8")]
    Encoding,
    /// A line that never ends.
    #[error("longer than {0} bytes")]
    Length(usize),
}

const CUSTOMER_DIGITS_MAX: usize = 20;
const SHOWN_CHARS_MAX: usize = 40;

impl Purchase {
    /// Reads the columns of a line.
    ///
    /// # Errors
    /// [`BadLine`] names the column that is wrong.
    pub fn parse(line: &str) -> Result<Self, BadLine> {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[customer, date, units, amount] = columns.as_slice() else {
            return Err(BadLine::Columns(columns.len()));
        };
        if customer.len() > CUSTOMER_DIGITS_MAX || !is_digits(customer) {
            return Err(BadLine::Customer(shown(customer)));
        }
        let ordered_on = day(date).ok_or_else(|| BadLine::Date(shown(date)))?;
        let count = units.parse().ok().filter(|_| is_digits(units)).ok_or_else(|| BadLine::Units(shown(units)))?;
        let amount_minor = cents(amount).ok_or_else(|| BadLine::Amount(shown(amount)))?;
        Ok(Self { customer: customer.to_owned(), ordered_on, units: count, amount_minor })
    }

    /// Whether a first line names the columns instead of filling them.
    #[must_use]
    pub fn is_header(line: &str) -> bool {
        let mut columns = line.split_ascii_whitespace().peekable();
        columns.peek().is_some() && columns.all(|column| column.starts_with(|c: char| c.is_ascii_alphabetic()))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn day(text: &str) -> Option<NaiveDate> {
    if text.len() != 8 || !is_digits(text) {
        return None;
    }
    NaiveDate::from_ymd_opt(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?)
}

fn cents(text: &str) -> Option<i64> {
    let (dollars, cents) = text.split_once('.').unwrap_or((text, "00"));
    if !is_digits(dollars) || cents.len() != 2 || !is_digits(cents) {
        return None;
    }
    dollars.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents.parse().ok()?)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
