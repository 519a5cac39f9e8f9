//! Files as shops write them, also badly.

use std::io::Write as _;

use super::*;

fn file(name: &str, text: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    File::create(&path).unwrap().write_all(text).unwrap();
    (folder, path)
}

/// The number of a row, and its cells or why it is none.
type Read = (u64, Result<Vec<String>, String>);

/// Each row as its number and what it says of the columns, or why it is none.
fn read(name: &str, text: &[u8]) -> (Vec<String>, Vec<Read>) {
    let (_folder, path) = file(name, text);
    let table = Table::open(&path, None, None).unwrap();
    let cells = |row: Row| table.columns.iter().map(|it| row.cell(it).unwrap_or("-").to_owned()).collect();
    let rows = table.rows().unwrap().map(|row| row.unwrap()).map(|(number, row)| (number, row.map(cells)));
    let rows = rows.collect();
    (table.columns, rows)
}

fn row(number: u64, cells: &[&str]) -> Read {
    (number, Ok(cells.iter().map(|cell| (*cell).to_owned()).collect()))
}

#[test]
fn quoted_cells_hold_delimiters_quotes_and_line_ends() {
    let text = "\u{feff}id,title\r\n1,\"Mug, red\"\r\n\r\n2,\"a \"\"big\"\"\r\nmug\"\r\n3,5\" pipe\r\n";
    let (columns, rows) = read("a.csv", text.as_bytes());
    assert_eq!(columns, ["id", "title"]);
    assert_eq!(rows, [row(2, &["1", "Mug, red"]), row(4, &["2", "a \"big\"\nmug"]), row(6, &["3", "5\" pipe"])]);
}

#[test]
fn the_delimiter_is_the_one_that_the_header_has_most_of() {
    assert_eq!(read("a.csv", b"id;title, long;x\n1;a,b;c\n").1, [row(2, &["1", "a,b", "c"])]);
    assert_eq!(read("a.tsv", b"id\ttitle\n1\ta,b\n").1, [row(2, &["1", "a,b"])]);
    assert_eq!(read("a.csv", b"\"a;b;c\",title\n1,2\n").1, [row(2, &["1", "2"])]);
}

#[test]
fn a_quote_that_is_never_closed_costs_its_own_line_only() {
    let (_, rows) = read("a.csv", b"id,title\n1,\"open\n2,b\n3,c\n");
    assert_eq!(rows[0].0, 2);
    assert!(rows[0].1.as_ref().unwrap_err().contains("not closed"), "{rows:?}");
    assert_eq!(rows[1..], [row(3, &["2", "b"]), row(4, &["3", "c"])]);
}

#[test]
fn what_is_no_row_has_its_number_and_a_reason() {
    let (_, rows) = read("a.csv", b"id,title\n1\n2,\"b\"c\n3,\xff\n4,d\n");
    let why: Vec<_> = rows[..3].iter().map(|(number, row)| (*number, row.clone().unwrap_err())).collect();
    assert_eq!(why[0], (2, "1 cells, but the header has 2".to_owned()));
    assert!(why[1].1.contains("written twice") && why[2].1.contains("UTF-8"), "{why:?}");
    assert_eq!(rows[3], row(5, &["4", "d"]));
}

#[test]
fn a_line_without_end_fills_no_memory() {
    let mut text = b"id,title\n1,".to_vec();
    text.extend(std::iter::repeat_n(b'x', 3 * LINE_BYTES_MAX));
    text.extend(b"\n2,b\n");
    let (_, rows) = read("a.csv", &text);
    assert!(rows[0].1.as_ref().unwrap_err().contains("longer than"), "{rows:?}");
    assert_eq!(rows[1], row(3, &["2", "b"]));
}

#[test]
fn objects_in_objects_are_cells_and_numbers_stay_as_they_are_written() {
    let text = br#"{"id":1,"price":{"amount":"12.30","net":0.1},"tags":["a","b"],"none":null}
[1]
{"id":2
{"id":3,"price":{"amount":1234567890.123456789}}
"#;
    let (columns, rows) = read("a.jsonl", text);
    assert_eq!(columns, ["id", "price.amount", "price.net", "tags"]);
    assert_eq!(rows[0], row(1, &["1", "12.30", "0.1", "a,b"]));
    assert!(rows[1].1.as_ref().unwrap_err().contains("no object"), "{rows:?}");
    assert!(rows[2].1.as_ref().unwrap_err().contains("no JSON"), "{rows:?}");
    assert_eq!(rows[3], row(4, &["3", "1234567890.123456789", "-", "-"]));
}

#[test]
fn a_file_of_an_unknown_form_says_what_to_do() {
    let why = |name: &str, text: &[u8]| {
        let (_folder, path) = file(name, text);
        format!("{:#}", Table::open(&path, None, None).unwrap_err())
    };
    assert!(why("a.xlsx", b"id\n").contains("--format csv"));
    assert!(why("a.csv", b"").contains("empty"));
    assert!(why("a.csv", b"\"id\n").contains("not closed"));
}
