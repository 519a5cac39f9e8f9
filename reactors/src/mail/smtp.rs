//! Hands mail over to a server.
//!
//! What a server says may quote the address, so nothing of its words is kept but its codes.

use std::error::Error as _;
use std::time::Duration;

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use platform::settings::Secret;
use tokio::time::timeout;
use url::Url;

use super::step::Came;
use super::{BadMailSettings, Mail, seconds};

/// How long a server may take for one mail. Some look closely at what they take, and who gives up too soon sends it
/// twice.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(120);
/// What a server says that does not let us in: that is about the settings, not about the mail.
const NOT_LET_IN: [u16; 4] = [530, 534, 535, 538];

/// A server that takes mail. Cheap to clone. Each mail has a connection of its own: on one that was given up, the
/// answer for one mail could be read as that for the next.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    answer_wait_max: Duration,
}

/// Tells programs that answer mail by themselves not to answer this (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Smtp {
    /// The server of this URL. It is asked nothing yet, so it may be away.
    ///
    /// # Errors
    /// If the URL is none of a mail server.
    pub fn connect(url: &Secret, answer_wait_max: Duration) -> Result<Self, BadMailSettings> {
        let wrong = |error: &dyn std::error::Error| BadMailSettings::Url(chain(error));
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose()).map_err(|error| wrong(&error))?;
        if sends_password_in_clear(url) {
            tracing::warn!(
                "SMTP_URL sends the password unencrypted over the network; write `smtps://` or append `?tls=required`"
            );
        }
        let transport = builder.timeout(Some(answer_wait_max)).build();
        Ok(Self { transport, answer_wait_max })
    }

    /// Hands one mail over.
    pub(super) async fn hand_over(&self, mail: &Mail) -> Came {
        let message = match message(mail) {
            Ok(message) => message,
            Err(error) => return Came::Refused(format!("it cannot be written as a mail: {error}")),
        };
        platform::faults::pass("mail.sending");
        match timeout(self.answer_wait_max, self.transport.send(message)).await {
            Ok(Ok(_)) => Came::Accepted,
            Ok(Err(error)) => came_of(&error),
            Err(_) => Came::NotNow(format!("the server did not answer within {}", seconds(self.answer_wait_max))),
        }
    }
}

/// The mail as it goes over the wire: the same bytes whenever it is written.
pub(super) fn message(mail: &Mail) -> Result<Message, lettre::error::Error> {
    let Mail { id, from, to, written, date } = mail;
    let parts = MultiPart::alternative().boundary(format!("handsel-{}", id.simple()));
    Message::builder()
        .message_id(Some(message_id(mail)))
        .date(date.utc().into())
        .from(from.clone())
        .to(to.clone())
        .subject(&written.subject)
        .header(AutoSubmitted)
        .multipart(
            parts
                .singlepart(SinglePart::plain(written.text.clone()))
                .singlepart(SinglePart::html(written.html.clone())),
        )
}

/// Derives from the event: a mail that is handed over twice is one to whoever gets it.
pub(super) fn message_id(mail: &Mail) -> String {
    format!("<{}@{}>", mail.id, mail.from.email.domain())
}

/// What follows from what the server said, or from its silence.
fn came_of(error: &Error) -> Came {
    let Some(status) = error.status() else {
        return Came::NotNow(if error.is_timeout() {
            "the server did not answer in time".to_owned()
        } else if error.is_response() {
            "the server's answer cannot be understood".to_owned()
        } else {
            chain(error)
        });
    };
    let status = status.to_string();
    let words = error.source().map(ToString::to_string).unwrap_or_default();
    let codes = [Some(status.as_str()), enhanced(&words)].into_iter().flatten().collect::<Vec<_>>().join(" ");
    if status.parse().is_ok_and(|status| NOT_LET_IN.contains(&status)) {
        Came::NotNow(format!("the server does not let us in, see SMTP_URL: {codes}"))
    } else if error.is_permanent() {
        Came::Refused(format!("the server refused it: {codes}"))
    } else {
        Came::NotNow(format!("the server cannot take it now: {codes}"))
    }
}

/// The code by which a server says more closely what it means, such as `5.1.1` (RFC 3463).
fn enhanced(words: &str) -> Option<&str> {
    let code = words.split_whitespace().next()?;
    let parts: Vec<_> = code.split('.').collect();
    let number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(number)).then_some(code)
}

/// Errors about connections and encryption name hosts and reasons, and nobody's address.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        source = error.source();
    }
    said
}

fn sends_password_in_clear(url: &Secret) -> bool {
    let Ok(url) = Url::parse(url.expose()) else { return false };
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "smtp" && url.password().is_some() && !here && !url.query_pairs().any(|(name, _)| name == "tls")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_servers_words_only_codes_are_kept() {
        for (words, code) in [
            ("5.1.1 <ana@example.org> unknown", Some("5.1.1")),
            ("4.7.0", Some("4.7.0")),
            ("ana@example.org 5.1.1", None),
            ("5.1 no", None),
            ("10.20.3000 no", None),
            ("", None),
        ] {
            assert_eq!(enhanced(words), code, "{words}");
        }
    }

    #[test]
    fn a_password_in_clear_is_noticed_unless_it_stays_here() {
        for (url, clear) in [
            ("smtp://ana:secret@mail.example.org", true),
            ("smtp://ana:secret@mail.example.org?tls=required", false),
            ("smtps://ana:secret@mail.example.org", false),
            ("smtp://mail.example.org", false),
            ("smtp://ana:secret@localhost:2525", false),
            ("smtp://ana:secret@127.0.0.1:2525", false),
        ] {
            assert_eq!(sends_password_in_clear(&Secret::new(url)), clear, "{url}");
        }
    }
}
