//! Numbers of lines are those that an editor shows, whatever the lines hold.

use std::io::Write as _;

use super::*;

fn source(bytes: &[u8]) -> (tempfile::NamedTempFile, Source) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let source = Source::open(file.path()).unwrap();
    (file, source)
}

#[test]
fn bad_lines_are_counted_and_numbered() {
    let long = "1".repeat(5000);
    let text = format!("customer_id date cds dollars\n1 19970101 1 1.00\n\n2 nonsense\n{long}\n1 19970102 2 0.00");
    let (_file, source) = source(text.as_bytes());
    assert_eq!(source.purchases, 2);
    assert_eq!(source.customers.len(), 1);
    assert_eq!(source.bad, [(4, BadLine::Columns(2)), (5, BadLine::Length(1024))]);
    let numbers: Vec<_> = source.purchases().unwrap().map(|line| line.unwrap().0).collect();
    assert_eq!(numbers, [2, 6]);
}

#[test]
fn a_line_that_is_no_text_is_a_bad_line() {
    let (_file, source) = source(b"1 19970101 1 1.00\n\xff\xfe\n1 19970101 1 1.00\n");
    assert_eq!((source.purchases, source.bad.as_slice()), (2, [(2, BadLine::Encoding)].as_slice()));
}

#[test]
fn the_same_bytes_give_the_same_ids_and_other_bytes_others() {
    let (_one, first) = source(b"1 19970101 1 1.00\n");
    let (_two, again) = source(b"1 19970101 1 1.00\n");
    let (_three, other) = source(b"1 19970101 1 1.01\n");
    assert_eq!(first.id_of("line 1"), again.id_of("line 1"));
    assert_ne!(first.id_of("line 1"), other.id_of("line 1"));
    assert_ne!(first.id_of("line 1"), first.id_of("line 2"));
}
