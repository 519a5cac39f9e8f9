use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envelope::{History, Position, Timestamp};
use uuid::Uuid;

use super::*;
use crate::heads::{SigningKey, Statement};

/// A folder of its own for one test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("heads-{}", Uuid::new_v4())))
    }

    fn book(&self) -> Book {
        Book::of(&self.0, "parcels")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn head(position: i64, ended: Option<History>) -> SignedHead {
    let statement = Statement {
        context: "parcels".to_owned(),
        genesis: Uuid::nil(),
        history: History(Uuid::nil()),
        ended,
        position: Position(position),
        event_id: None,
        chain: [0; 32],
        at: Timestamp::from_micros(position).unwrap(),
    };
    statement.sign(&SigningKey::parse(&STANDARD.encode([1; 32])).unwrap())
}

fn positions(book: &Book) -> Vec<i64> {
    let read = book.read().unwrap();
    assert_eq!((read.unreadable, read.torn), (vec![], vec![]));
    read.heads.iter().map(|head| head.statement.position.get()).collect()
}

#[test]
fn what_is_added_is_read_and_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let book = scratch.book();
    assert_eq!(book.read().unwrap(), Collected::default());
    for position in 1..=3 {
        book.append(&head(position, None)).unwrap();
    }
    assert_eq!(positions(&book), [1, 2, 3]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&scratch.0), mode(book.path())), (0o700, 0o600));
}

#[test]
fn a_line_that_a_crash_left_half_is_no_forgery_and_is_cut_off_by_the_next() {
    let scratch = Scratch::new();
    let book = scratch.book();
    book.append(&head(1, None)).unwrap();
    let mut file = OpenOptions::new().append(true).open(book.path()).unwrap();
    file.write_all(b"{\"context\":\"par").unwrap();
    let read = book.read().unwrap();
    assert_eq!((read.heads.len(), read.unreadable.len(), read.torn.len()), (1, 0, 1));
    book.append(&head(2, None)).unwrap();
    assert_eq!(positions(&book), [1, 2]);
}

#[test]
fn a_line_that_is_no_head_is_named() {
    let scratch = Scratch::new();
    let book = scratch.book();
    book.append(&head(1, None)).unwrap();
    let mut file = OpenOptions::new().append(true).open(book.path()).unwrap();
    file.write_all(b"something else\n").unwrap();
    let read = book.read().unwrap();
    assert!(read.unreadable[0].0.ends_with("parcels.jsonl, line 2"), "{:?}", read.unreadable);
}

#[test]
fn old_heads_are_thinned_and_the_newest_and_every_recovery_stay() {
    let scratch = Scratch::new();
    let line = head(1, None).to_line().unwrap().len() as u64 + 1;
    let book = Book { bytes_max: 60 * line, newest_kept: 10, ..scratch.book() };
    for position in 1..=1_000 {
        let ended = (position == 4).then(|| History(Uuid::nil()));
        book.append(&head(position, ended)).unwrap();
        let kept = positions(&book);
        assert_eq!(*kept.last().unwrap(), position);
        assert!(kept.is_sorted());
        assert!(kept.len() <= 64, "{} heads", kept.len());
    }
    let kept = positions(&book);
    assert!(kept.contains(&1) && kept.contains(&4), "{kept:?}");
    assert!((991..=1_000).all(|position| kept.contains(&position)), "{kept:?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_nothing_else() {
    let scratch = Scratch::new();
    fs::write(&scratch.0, "a file").unwrap();
    scratch.book().append(&head(1, None)).unwrap_err();
    fs::remove_file(&scratch.0).unwrap();
}
