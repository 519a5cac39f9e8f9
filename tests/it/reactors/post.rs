//! A mail server that says what a test wants, over a real conversation in SMTP.

use std::sync::{Arc, Mutex};

use reactors::mail::{ANSWER_WAIT_MAX, Mailer, Pace, Post, Smtp};
use std::time::Duration;
use tests::{ETA_MAX, until};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};

use super::world::World;

/// What the server does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Takes it.
    Accepts,
    /// Cannot take it for now.
    NotNow,
    /// Does not know the recipient, whom it names in its words.
    Refuses,
    /// Does not let anybody in.
    Forbids,
    /// Reads the mail and never answers.
    HangsAfter,
    /// Never answers a recipient.
    HangsBefore,
}

pub(super) struct Server {
    pub(super) url: String,
    says: Arc<Mutex<Says>>,
    taken: Arc<Mutex<Vec<String>>>,
    /// How often mail was begun.
    begun: Arc<Mutex<usize>>,
}

impl Server {
    pub(super) async fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = Self { url, says: Arc::new(Mutex::new(says)), taken: Arc::default(), begun: Arc::default() };
        let (says, taken, begun) = (server.says.clone(), server.taken.clone(), server.begun.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that is killed leaves in the middle of a word.
                tokio::spawn(converse(stream, says.clone(), taken.clone(), begun.clone()));
            }
        });
        server
    }

    pub(super) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// Every mail that was read whole, in order.
    pub(super) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    pub(super) fn begun(&self) -> usize {
        *self.begun.lock().unwrap()
    }

    pub(super) async fn until_taken(&self, count: usize) -> Vec<String> {
        until(&format!("the server has {count} mails"), ETA_MAX, async || self.taken().len() == count).await;
        self.taken()
    }

    pub(super) fn mailer(&self, world: &World) -> Mailer {
        self.patient_mailer(world, ANSWER_WAIT_MAX)
    }

    /// One that waits so long for an answer of the server, and not long to try again.
    pub(super) fn patient_mailer(&self, world: &World, answer_wait_max: Duration) -> Mailer {
        let (_, from) = Post::of(None, Some("Shop <shop@example.org>")).unwrap();
        let url = platform::settings::Secret::new(&*self.url);
        let post = Post::Smtp(Smtp::connect(&url, answer_wait_max).unwrap());
        let soon = Duration::from_millis(20);
        let pace = Pace { first: soon, max: soon, tries_max: 1_000 };
        world.mailer((post, from)).at_pace(pace)
    }
}

/// The value of a header, which stands on one line.
pub(super) fn header<'m>(mail: &'m str, name: &str) -> &'m str {
    let mut lines = mail.lines().take_while(|line| !line.is_empty());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_else(|| panic!("{name} in {mail}"))
}

async fn converse(
    stream: TcpStream,
    says: Arc<Mutex<Says>>,
    taken: Arc<Mutex<Vec<String>>>,
    begun: Arc<Mutex<usize>>,
) -> std::io::Result<()> {
    let mut stream = BufStream::new(stream);
    answer(&mut stream, "220 mail.example.org ESMTP").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.split_whitespace().next().unwrap_or_default().to_uppercase();
        let now = *says.lock().unwrap();
        match (verb.as_str(), now) {
            ("EHLO" | "HELO", _) => answer(&mut stream, "250-mail.example.org\r\n250 8BITMIME").await?,
            ("MAIL", Says::Forbids) => answer(&mut stream, "530 5.7.0 authentication required").await?,
            ("MAIL", _) => {
                *begun.lock().unwrap() += 1;
                answer(&mut stream, "250 2.1.0 ok").await?;
            }
            ("RCPT", Says::HangsBefore) => return std::future::pending().await,
            ("RCPT", Says::NotNow) => answer(&mut stream, "451 4.3.0 ana@example.org: try again later").await?,
            ("RCPT", Says::Refuses) => answer(&mut stream, "550 5.1.1 <ana@example.org>: no such user").await?,
            ("RCPT" | "RSET" | "NOOP", _) => answer(&mut stream, "250 2.1.5 ok").await?,
            ("DATA", _) => {
                answer(&mut stream, "354 go ahead").await?;
                let mail = read_mail(&mut stream).await?;
                taken.lock().unwrap().push(mail);
                if now == Says::HangsAfter {
                    return std::future::pending().await;
                }
                answer(&mut stream, "250 2.0.0 taken").await?;
            }
            ("QUIT", _) => return answer(&mut stream, "221 2.0.0 bye").await,
            _ => answer(&mut stream, "502 5.5.1 what?").await?,
        }
    }
}

async fn read_mail(stream: &mut BufStream<TcpStream>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let from = mail.len();
        if stream.read_line(&mut mail).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if &mail[from..] == ".\r\n" {
            mail.truncate(from);
            return Ok(mail);
        }
    }
}

async fn answer(stream: &mut BufStream<TcpStream>, line: &str) -> std::io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await
}
