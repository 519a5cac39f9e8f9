//! What mail says: templates in files, in text and HTML.
//!
//! Whatever comes from people (names, titles) is made one line first, so that none of it can begin a header or look
//! like a line of the text, and is escaped in HTML.

use std::sync::LazyLock;

use domain::orders::Live;
use event_schemas::Money;
use event_schemas::orders::{CancellationReason, CancelledStage};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::amounts::amount;
use super::letter::{About, Letter};

/// A subject is cut off after so many characters: longer ones are shown by nobody.
const SUBJECT_CHARS_MAX: usize = 120;

/// The files: name, content.
const TEMPLATES: [(&str, &str); 9] = [
    ("layout.html", include_str!("../../templates/layout.html")),
    ("lines.html", include_str!("../../templates/lines.html")),
    ("lines.txt", include_str!("../../templates/lines.txt")),
    ("order_confirmed.subject", include_str!("../../templates/order_confirmed.subject")),
    ("order_confirmed.txt", include_str!("../../templates/order_confirmed.txt")),
    ("order_confirmed.html", include_str!("../../templates/order_confirmed.html")),
    ("order_cancelled.subject", include_str!("../../templates/order_cancelled.subject")),
    ("order_cancelled.txt", include_str!("../../templates/order_cancelled.txt")),
    ("order_cancelled.html", include_str!("../../templates/order_cancelled.html")),
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(environment);

/// What a mail is written from.
pub(super) struct Facts<'f> {
    pub(super) letter: &'f Letter,
    pub(super) order: &'f Live,
    /// What the holder of the account is called, if that is known.
    pub(super) name: Option<&'f str>,
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Writes a mail.
///
/// # Errors
/// If a template is wrong, which tests would have shown.
pub(super) fn write(facts: &Facts<'_>) -> Result<Written, String> {
    let environment = ENVIRONMENT.as_ref().map_err(|error| format!("{error:#}"))?;
    let Facts { letter, order, name } = facts;
    let lines = order.lines.iter().map(|line| {
        let sum = Money { amount_minor: line.unit_price.amount_minor.saturating_mul(line.quantity), ..line.unit_price };
        let (title, quantity) = (one_line(&line.title), line.quantity);
        context! { title, quantity, unit_price => amount(line.unit_price), sum => amount(sum) }
    });
    let lines: Vec<_> = lines.collect();
    let known = context! {
        order => letter.order.to_string(),
        name => name.map(one_line),
        lines,
        total => amount(order.total),
        free => order.total.amount_minor == 0,
    };
    let more = match letter.about {
        About::OrderConfirmed { ship_until } => {
            context! { ship_until => ship_until.utc().format("%e %B %Y").to_string().trim() }
        }
        About::OrderCancelled { reason, stage } => context! { reason => because(reason), paid => paid(stage) },
    };
    let rendered = |suffix: &str| {
        let name = format!("{}.{suffix}", letter.about.name());
        let template = environment.get_template(&name);
        let facts = context! { ..known.clone(), ..more.clone() };
        template.and_then(|template| template.render(facts)).map_err(|error| format!("{error:#}"))
    };
    let subject = one_line(&rendered("subject")?);
    let cut = subject.char_indices().nth(SUBJECT_CHARS_MAX).map(|(at, _)| format!("{}…", &subject[..at]));
    Ok(Written { subject: cut.unwrap_or(subject), text: rendered("txt")?, html: rendered("html")? })
}

/// Without anything that ends a line or steers a screen, and with single spaces.
pub(super) fn one_line(text: &str) -> String {
    let steers = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
    };
    let plain = text.replace(steers, " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why an order was cancelled, after "it was cancelled because".
fn because(reason: CancellationReason) -> &'static str {
    match reason {
        CancellationReason::ByCustomer => "you asked for it",
        CancellationReason::BySeller => "the seller cannot deliver it",
        CancellationReason::OutOfStock => "not all of it was in stock",
        CancellationReason::OfferChanged => "what you ordered is not sold any more, or not at that price",
        CancellationReason::PaymentFailed => "the payment was declined",
        CancellationReason::PaymentExpired => "the payment did not arrive in time",
        CancellationReason::NotShipped => "it was not sent in time",
    }
}

/// What becomes of the money.
fn paid(stage: CancelledStage) -> &'static str {
    match stage {
        CancelledStage::Placed => "You have not been charged.",
        CancelledStage::Reserved => "If a payment was under way, it is given back to you.",
        CancelledStage::Confirmed => "Your payment is given back to you.",
    }
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    environment.set_syntax(syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(
        |name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        },
    );
    for (name, content) in TEMPLATES {
        environment.add_template(name, content)?;
    }
    Ok(environment)
}
