//! The forms that words must have which are stored and shown: short, and fit to be shown.

/// How long a title may be, of a product or of a variant.
pub const TITLE_CHARS_MAX: usize = 200;
/// How long a reason may be.
pub const REASON_CHARS_MAX: usize = 1_000;
/// How long the code of a reason may be.
pub const CODE_CHARS_MAX: usize = 64;
/// How long a name may be that somebody else made up.
pub const TOKEN_CHARS_MAX: usize = 200;
const SLUG_CHARS_MAX: usize = 64;
/// How long an address may be.
pub const URL_CHARS_MAX: usize = 2_048;

/// A line that says something.
pub(crate) fn is_title(text: &str) -> bool {
    is_line(text, TITLE_CHARS_MAX)
}

/// Why somebody did something.
pub(crate) fn is_reason(text: &str) -> bool {
    is_line(text, REASON_CHARS_MAX)
}

/// Any number of lines, also none.
pub(crate) fn is_prose(text: &str, chars_max: usize) -> bool {
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().count() <= chars_max && text.chars().all(printable)
}

/// Words of small letters and digits, joined by hyphens: `tea-mugs`.
pub(crate) fn is_slug(text: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() <= SLUG_CHARS_MAX && text.split('-').all(is_word)
}

/// A reason as programs know it: words of small letters and digits, joined by underscores: `card_declined`.
pub(crate) fn is_code(text: &str) -> bool {
    text.len() <= CODE_CHARS_MAX && is_slug(&text.replace('_', "-")) && !text.contains('-')
}

/// What somebody else made up to name a thing: visible ASCII without blanks.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=TOKEN_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Only the form: whether a picture is there is found out by whoever shows it.
pub(crate) fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    plain && text.len() <= URL_CHARS_MAX && host.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

fn is_line(text: &str, chars_max: usize) -> bool {
    let fits = (1..=chars_max).contains(&text.chars().count());
    fits && !text.trim().is_empty() && !text.chars().any(char::is_control)
}
