//! The architecture as a test: what may import what, where things lie, how long they may be, and which words are out.
//!
//! A rule that fails says what to do instead. The rules stand in `ARCHITECTURE.md`; the exceptions stand here.

mod imports;
mod places;
mod problems;
mod sizes;
mod sources;
mod words;

use sources::Source;

/// Fails with every violation at once, so that one run is enough to see them all.
fn no_violations(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}\n\n  {}\n", found.join("\n  "));
}

/// Where a violation stands, in the form that editors open.
fn at(source: &Source, line: usize) -> String {
    format!("{}:{line}", source.path)
}
