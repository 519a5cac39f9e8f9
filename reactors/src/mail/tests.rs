//! What mail says, word for word, and that nothing of it can be more than words.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use domain::orders::{Live, Stage};
use envelope::Timestamp;
use event_schemas::ids::{AccountId, OrderId, ProductId};
use event_schemas::orders::{CancellationReason, CancelledStage, OrderLine};
use event_schemas::{Currency, Money};
use lettre::message::Mailbox;
use uuid::{Uuid, uuid};

use super::letter::{About, Letter};
use super::templates::{Facts, Written, one_line, write};
use super::{BadMailSettings, Mail, Post, smtp};

const ORDER: Uuid = uuid!("018f4e7a-0000-7000-8000-000000000002");
const EVENT: Uuid = uuid!("018f4e7a-0000-7000-8000-00000000000a");
const CANCELLED: About =
    About::OrderCancelled { reason: CancellationReason::OutOfStock, stage: CancelledStage::Placed };

/// As events are stamped.
fn at_noon() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn confirmed() -> About {
    About::OrderConfirmed { ship_until: at_noon() }
}

fn line(title: &str, quantity: i64, amount_minor: i64, currency: &str) -> OrderLine {
    let unit_price = Money { amount_minor, currency: currency.parse().unwrap() };
    let sku = "BRASS".parse().unwrap();
    OrderLine { product: ProductId(Uuid::nil()), sku, title: title.to_owned(), quantity, unit_price }
}

fn order(lines: Vec<OrderLine>) -> Live {
    let sum = |line: &OrderLine| line.unit_price.amount_minor * line.quantity;
    let currency = lines.first().map_or(Currency::USD, |line| line.unit_price.currency);
    Live {
        customer: AccountId(Uuid::nil()),
        seller: AccountId(Uuid::nil()),
        ordered_on: NaiveDate::from_ymd_opt(2026, 11, 26).unwrap(),
        total: Money { amount_minor: lines.iter().map(sum).sum(), currency },
        lines,
        payment_method: "pm_sim_ok".to_owned(),
        stage: Stage::Confirmed,
        shipments: BTreeMap::new(),
    }
}

fn written(about: About, order: &Live, name: Option<&str>) -> Written {
    let letter = Letter { order: OrderId(ORDER), recorded_at: at_noon(), about };
    write(&Facts { letter: &letter, order, name }).unwrap()
}

fn mail(written: Written) -> Mail {
    let from: Mailbox = "Shop <shop@example.org>".parse().unwrap();
    let to = Mailbox::new(Some("Ana Lima".to_owned()), "ana@example.org".parse().unwrap());
    Mail { id: EVENT, from, to, written, date: at_noon() }
}

fn sent(written: Written) -> String {
    String::from_utf8(smtp::message(&mail(written)).unwrap().formatted()).unwrap()
}

/// `UPDATE_GOLDEN=1 cargo test -p reactors --lib mail` writes the files anew; look at the difference.
fn is_golden(name: &str, written: &Written) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let Written { subject, text, html } = written;
    let now = format!("{subject}\n\n---\n\n{text}\n---\n\n{html}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == now, "{name} is not what is written now; UPDATE_GOLDEN=1 writes it:\n{now}");
}

#[test]
fn each_kind_of_mail_says_what_its_golden_file_says() {
    let lamps = order(vec![line("Lamp, Brass", 2, 4_900, "EUR"), line("Cloth", 1, 500, "EUR")]);
    let gift = order(vec![line("Sticker, Round", 3, 0, "USD")]);
    let yen = order(vec![line("Tea", 2, 1_500, "JPY")]);
    let after_payment =
        About::OrderCancelled { reason: CancellationReason::NotShipped, stage: CancelledStage::Confirmed };
    is_golden("order_confirmed.txt", &written(confirmed(), &lamps, Some("Ana Lima")));
    is_golden("order_confirmed_free.txt", &written(confirmed(), &gift, None));
    is_golden("order_cancelled.txt", &written(CANCELLED, &lamps, Some("Ana Lima")));
    is_golden("order_cancelled_paid.txt", &written(after_payment, &yen, Some("Ana Lima")));
}

#[test]
fn every_reason_and_stage_has_its_words() {
    use CancellationReason::{
        ByCustomer, BySeller, NotShipped, OfferChanged, OutOfStock, PaymentExpired, PaymentFailed,
    };
    let order = order(vec![line("Lamp", 1, 4_900, "EUR")]);
    let mut seen = std::collections::BTreeSet::new();
    for reason in [ByCustomer, BySeller, OutOfStock, OfferChanged, PaymentFailed, PaymentExpired, NotShipped] {
        for stage in [CancelledStage::Placed, CancelledStage::Reserved, CancelledStage::Confirmed] {
            seen.insert(written(About::OrderCancelled { reason, stage }, &order, None).text);
        }
    }
    assert_eq!(seen.len(), 21);
}

#[test]
fn titles_and_names_are_escaped_in_html() {
    let evil = "<script>alert('x')</script> & \"more\"";
    let order = order(vec![line(evil, 1, 100, "USD")]);
    let Written { text, html, .. } = written(confirmed(), &order, Some("<b>Ana</b>"));
    assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
    assert!(html.contains("&lt;script&gt;") && html.contains("&lt;b&gt;Ana"), "{html}");
    assert!(text.contains(evil), "text is not HTML: {text}");
}

#[test]
fn a_newline_in_a_title_or_name_begins_no_header_and_no_line() {
    let order = order(vec![line("Lamp\r\nBcc: eve@example.org\r\n\r\nPay here:\u{2028}evil", 1, 100, "USD")]);
    let name = "Ana\r\nBcc: eve@example.org";
    let written = written(confirmed(), &order, Some(name));
    assert_eq!(written.subject, "Your order is confirmed: Lamp Bcc: eve@example.org Pay here: evil");
    assert!(written.text.contains("\n1 x Lamp Bcc: eve@example.org Pay here: evil\n"), "{}", written.text);
    let mut mail = mail(written);
    mail.to.name = Some(one_line(name));
    let sent = String::from_utf8(smtp::message(&mail).unwrap().formatted()).unwrap();
    let (headers, _) = sent.split_once("\r\n\r\n").unwrap();
    assert!(headers.lines().all(|line| !line.starts_with("Bcc")), "{headers}");
    assert_eq!(headers.lines().filter(|line| line.starts_with("To:")).count(), 1, "{headers}");
    // Also if a subject came in as it is.
    mail.written.subject = "Lamp\r\nBcc: eve@example.org".to_owned();
    let sent = String::from_utf8(smtp::message(&mail).unwrap().formatted()).unwrap();
    let (headers, _) = sent.split_once("\r\n\r\n").unwrap();
    assert!(headers.lines().all(|line| !line.starts_with("Bcc")), "{headers}");
}

#[test]
fn a_long_title_makes_no_endless_subject() {
    let order = order(vec![line(&"ü".repeat(500), 1, 100, "USD")]);
    assert_eq!(written(confirmed(), &order, None).subject.chars().count(), 121);
}

#[test]
fn a_mail_has_the_events_id_and_the_same_bytes_whenever_it_is_written() {
    let order = order(vec![line("Lampe für Öl", 1, 100, "EUR")]);
    let message = || sent(written(confirmed(), &order, Some("Ana Lima")));
    assert_eq!(message(), message());
    let message = message();
    for header in [
        &*format!("Message-ID: <{EVENT}@example.org>"),
        "From: Shop <shop@example.org>",
        "To: \"Ana Lima\" <ana@example.org>",
        "Auto-Submitted: auto-generated",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert!(message.contains(header), "{header} is in {message}");
    }
}

#[tokio::test]
async fn what_is_set_for_mail_is_taken_or_named() {
    let url = |url: &str| Some(platform::settings::Secret::new(url));
    assert!(matches!(Post::of(None, None), Ok((Post::Inbox, _))));
    let from = Some("Shop <shop@example.org>");
    for fit in ["smtp://127.0.0.1:2525", "smtps://ana:s%40crt@mail.example.org", "smtp://mail.example.org?tls=required"]
    {
        assert!(matches!(Post::of(url(fit).as_ref(), from), Ok((Post::Smtp(_), _))), "{fit}");
    }
    assert!(matches!(Post::of(url("smtp://127.0.0.1").as_ref(), None), Err(BadMailSettings::NoFrom)));
    assert!(matches!(Post::of(None, Some("nobody")), Err(BadMailSettings::From(_))));
    for unfit in ["http://mail.example.org", "mail.example.org", "smtp://mail.example.org?tls=maybe"] {
        let Err(error) = Post::of(url(unfit).as_ref(), from) else { panic!("{unfit}") };
        assert!(error.to_string().contains("SMTP_URL cannot be used"), "{error}");
    }
}
