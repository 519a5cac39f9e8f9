//! JSON Lines: an object per line. Numbers stay the text that they are, so that no amount becomes a fraction of two.

use std::collections::BTreeMap;
use std::io;

use serde_json::value::RawValue;

use super::{Line, Numbered, Row};

/// Objects in objects are cells too, named `outer.inner`, down to here.
const DEPTH_MAX: usize = 8;

/// The rows of a file.
pub(super) fn rows(lines: impl Iterator<Item = io::Result<Line>>) -> impl Iterator<Item = io::Result<Numbered>> {
    lines.filter_map(|line| match line {
        Err(error) => Some(Err(error)),
        Ok((number, Err(why))) => Some(Ok((number, Err(why)))),
        Ok((_, Ok(text))) if text.trim().is_empty() => None,
        Ok((number, Ok(text))) => Some(Ok((number, row(&text)))),
    })
}

fn row(text: &str) -> Result<Row, String> {
    let object: Object = serde_json::from_str(text).map_err(|error| {
        if text.trim_start().starts_with('{') {
            format!("no JSON: {error}")
        } else {
            "no object of JSON; each line is one, such as {\"id\":\"1\"}".to_owned()
        }
    })?;
    let mut row = Row::default();
    put(&mut row, "", object, DEPTH_MAX);
    Ok(row)
}

type Object = BTreeMap<String, Box<RawValue>>;

fn put(row: &mut Row, outer: &str, object: Object, depth: usize) {
    for (key, value) in object {
        let name = if outer.is_empty() { key } else { format!("{outer}.{key}") };
        match serde_json::from_str::<Object>(value.get()) {
            Ok(inner) if depth > 0 => put(row, &name, inner, depth - 1),
            _ => row.put(&name, &plain(&value)),
        }
    }
}

/// A value as it would stand in a cell.
fn plain(value: &RawValue) -> String {
    let text = value.get();
    match text.bytes().next() {
        Some(b'"') => serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
        Some(b'[') => match serde_json::from_str::<Vec<Box<RawValue>>>(text) {
            Ok(values) => values.iter().map(|value| plain(value)).collect::<Vec<_>>().join(","),
            Err(_) => text.to_owned(),
        },
        Some(b'n') => String::new(),
        _ => text.to_owned(),
    }
}
