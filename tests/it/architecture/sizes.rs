//! How long files, functions and lines may be.

use super::sources::{self, Source};
use super::{at, no_violations};

const FILE_LINES_MAX: usize = 400;
const FILE_LINES_P90_MAX: usize = 250;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 120;

#[test]
fn files_are_short() {
    let found: Vec<_> = sources::rust()
        .iter()
        .filter(|source| source.lines().count() > FILE_LINES_MAX)
        .map(|source| format!("{}: {} lines", source.path, source.lines().count()))
        .collect();
    no_violations("a file has at most 400 lines; split it by what its parts are about", &found);
}

#[test]
fn nine_files_of_ten_fit_into_250_lines() {
    let mut lengths: Vec<_> =
        sources::rust().iter().map(|source| (source.lines().count(), source.path.clone())).collect();
    lengths.sort_unstable();
    let (p90, _) = lengths[lengths.len() * 9 / 10];
    let longest: Vec<_> = lengths.iter().rev().take(10).map(|(count, path)| format!("{path}: {count}")).collect();
    assert!(p90 <= FILE_LINES_P90_MAX, "p90 of file lengths is {p90}; the longest:\n  {}", longest.join("\n  "));
}

#[test]
fn functions_fit_on_a_screen() {
    let found: Vec<_> = sources::rust().iter().flat_map(long_functions).collect();
    no_violations("a function has at most 70 lines; the parts of a longer one have names", &found);
}

#[test]
fn lines_fit_beside_each_other() {
    let mut found = Vec::new();
    for source in sources::rust() {
        for (number, line) in source.lines().filter(|(_, line)| line.chars().count() > LINE_COLUMNS_MAX) {
            found.push(format!("{}: {} columns", at(&source, number), line.chars().count()));
        }
    }
    no_violations("a line has at most 120 columns", &found);
}

/// Finds functions by their indentation, which rustfmt makes reliable: one ends at the first `}` as deep as its `fn`.
fn long_functions(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = lines[start..].iter().position(|line| {
            line.strip_prefix(indent).is_some_and(|rest| {
                rest.starts_with('}') || (rest.ends_with(';') && rest.len() > 1 && !rest.starts_with(' '))
            })
        });
        let length = end.map_or(lines.len() - start, |end| end + 1);
        if length > FUNCTION_LINES_MAX {
            found.push(format!("{}: {name} has {length} lines", at(source, start + 1)));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let before = |rest: &str| {
        rest.split_whitespace().all(|word| {
            matches!(word, "async" | "const" | "unsafe" | "default") || word.starts_with("pub") || word.ends_with(')')
        })
    };
    let (head, rest) = line.split_once("fn ")?;
    // One-line functions and declarations of traits end where they begin.
    if !before(head) || line.trim_end().ends_with(['}', ';']) {
        return None;
    }
    rest.split(['(', '<']).next()
}
