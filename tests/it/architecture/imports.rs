//! Which crate may import which.

use super::sources::{self, CRATES};
use super::{at, no_violations};

/// Our own crates that each crate may depend on. `*` is a crate that joins everything.
const MAY_IMPORT: [(&str, &[&str]); 17] = [
    ("envelope", &[]),
    ("event-schemas", &["envelope"]),
    ("domain", &["envelope", "event-schemas"]),
    ("platform", &["envelope"]),
    ("event-store", &["envelope", "platform"]),
    ("command-api", &["envelope", "event-schemas", "domain", "event-store", "platform"]),
    ("projectors", &["envelope", "event-schemas", "event-store", "platform"]),
    ("query-api", &["envelope", "event-schemas", "event-store", "platform"]),
    ("reactors", &["envelope", "event-schemas", "domain", "event-store", "platform"]),
    ("search", &["envelope", "event-schemas", "event-store", "platform"]),
    ("xtask", &["event-schemas"]),
    ("tests/verifier", &["envelope", "event-schemas", "domain", "event-store", "platform", "projectors"]),
    ("handsel", &["*"]),
    ("tests", &["*"]),
    ("tests/rig", &["*"]),
    ("tests/simulation", &["envelope", "event-schemas", "event-store", "platform", "projectors"]),
    ("bench", &["*"]),
];

/// What would let a decision depend on something other than the state and the command.
const IMPURE_CRATES: [&str; 8] = ["tokio", "sqlx", "rdkafka", "axum", "reqwest", "rand", "futures", "tracing"];
const IMPURE_CALLS: [&str; 7] =
    ["Utc::now", "SystemTime", "Instant::now", "new_v4", "now_v7", "std::env", "thread_rng"];

/// The event store's writing side, which no projector may touch.
const WRITING: [&str; 5] = ["Commands", "Transact", "Ask", "StoreAdmin", "Appender"];

#[test]
fn every_crate_is_on_the_list() {
    let manifest = sources::read("Cargo.toml").expect("the workspace has a manifest");
    let members: Vec<_> = manifest
        .split("members = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .expect("the manifest lists the members")
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        .collect();
    let mut listed = members.clone();
    listed.sort_unstable();
    assert_eq!(listed, CRATES, "a new crate needs its line in sources.rs and its row in imports.rs");
}

#[test]
fn crates_import_only_what_the_architecture_allows() {
    let mut found = Vec::new();
    for (krate, allowed) in MAY_IMPORT {
        // What only tests need may come from anywhere but the layers above.
        for name in sources::dependencies(krate, false) {
            if CRATES.contains(&name.as_str()) && !allowed.contains(&"*") && !allowed.contains(&name.as_str()) {
                found.push(format!("{krate}/Cargo.toml: depends on {name}"));
            }
        }
        for name in sources::dependencies(krate, true) {
            let joins = matches!(name.as_str(), "command-api" | "handsel" | "bench" | "xtask");
            if joins && !allowed.contains(&"*") {
                found.push(format!("{krate}/Cargo.toml: depends on {name}, also if only for tests"));
            }
        }
    }
    no_violations("a crate imports another that it may not know (ARCHITECTURE.md has the table)", &found);
}

#[test]
fn decisions_are_pure() {
    let mut found: Vec<_> = sources::dependencies("domain", false)
        .into_iter()
        .filter(|name| IMPURE_CRATES.contains(&name.as_str()))
        .map(|name| format!("domain/Cargo.toml: depends on {name}"))
        .collect();
    for source in sources::rust().iter().filter(|source| source.is_in("domain")) {
        for (number, line) in source.lines() {
            if let Some(call) = IMPURE_CALLS.iter().find(|call| code(line).contains(*call)) {
                found.push(format!("{}: {call}", at(source, number)));
            }
        }
    }
    no_violations("domain has no I/O, clock or randomness; such facts come in with the command", &found);
}

#[test]
fn projectors_only_read_the_event_store() {
    let mut found = Vec::new();
    let readers = ["projectors/src/", "search/src/", "query-api/src/"];
    let reads = |source: &&sources::Source| readers.iter().any(|it| source.path.starts_with(it));
    for source in sources::rust().iter().filter(reads) {
        if source.is_test() {
            continue;
        }
        for (number, line) in source.lines() {
            let code = code(line);
            if code.contains("event_store::") && WRITING.iter().any(|name| word(code, name)) {
                found.push(format!("{}: {}", at(source, number), line.trim()));
            }
        }
    }
    no_violations("a projector may use the reader of the event store, nothing that writes", &found);
}

#[test]
fn the_query_side_writes_nothing() {
    let verbs = ["insert into ", "update read.", "delete from ", "truncate "];
    let mut found = Vec::new();
    for source in sources::rust().iter().filter(|source| source.path.starts_with("query-api/src/")) {
        if source.is_test() {
            continue;
        }
        for (number, line) in source.lines() {
            if verbs.iter().any(|verb| code(line).to_lowercase().contains(verb)) {
                found.push(format!("{}: {}", at(source, number), line.trim()));
            }
        }
    }
    no_violations("query-api reads views and writes nothing", &found);
}

/// The line without its comment, roughly: `//` inside a string counts as one, which no rule here minds.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn word(text: &str, wanted: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == wanted)
}
