//! Where things lie: every context has the same files, every crate its README, every document its place.

use std::path::Path;

use event_schemas::Context;

use super::no_violations;
use super::sources::{self, CRATES};

/// Read models that belong to no context.
const BEYOND_CONTEXTS: [&str; 2] = ["audit", "search"];

const README_LINES_MAX: usize = 40;
const DECISION_LINES_MAX: usize = 40;
const ARCHITECTURE_LINES_MAX: usize = 200;

/// Where each context has its part.
fn places(context: &str) -> [String; 6] {
    [
        format!("event-schemas/src/{context}.rs"),
        format!("domain/src/{context}/"),
        format!("command-api/src/{context}.rs"),
        format!("projectors/src/{context}/"),
        format!("query-api/src/{context}.rs"),
        format!("tests/it/{context}.rs"),
    ]
}

#[test]
fn every_context_has_the_same_files() {
    let mut found = Vec::new();
    for context in Context::ALL {
        for place in places(context.name()) {
            if !sources::root().join(&place).exists() {
                found.push(format!("{place} is missing"));
            }
        }
    }
    no_violations("every context has its part in each of the same places", &found);
}

#[test]
fn no_folder_stands_for_a_context_that_is_not_on_the_list() {
    let known = |name: &str| {
        Context::ALL.iter().any(|context| context.name() == name)
            || BEYOND_CONTEXTS.contains(&name)
            || name == "policies"
    };
    let mut found = Vec::new();
    for folder in ["domain/src"] {
        let entries = std::fs::read_dir(sources::root().join(folder)).expect("the folder is there");
        for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !known(&name) {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    no_violations("this folder is no context of event-schemas/src/lib.rs", &found);
}

#[test]
fn every_crate_has_a_short_readme() {
    let mut found = Vec::new();
    for krate in CRATES {
        match sources::read(&format!("{krate}/README.md")) {
            None => found.push(format!("{krate}/README.md is missing")),
            Some(text) if text.lines().count() > README_LINES_MAX => {
                found.push(format!("{krate}/README.md has {} lines", text.lines().count()));
            }
            Some(_) => {}
        }
    }
    no_violations("a crate's README says in at most 40 lines what it is and where to begin", &found);
}

#[test]
fn every_manifest_takes_the_common_lints_and_says_what_the_crate_is() {
    let mut found = Vec::new();
    for krate in CRATES {
        let manifest = sources::read(&format!("{krate}/Cargo.toml")).unwrap_or_default();
        if !manifest.contains("[lints]\nworkspace = true") {
            found.push(format!("{krate}/Cargo.toml: no `[lints] workspace = true`"));
        }
        let description = manifest.lines().find(|line| line.starts_with("description = "));
        if description.is_none_or(|line| line.len() < 30) {
            found.push(format!("{krate}/Cargo.toml: the description says nothing"));
        }
    }
    no_violations("manifests", &found);
}

#[test]
fn documents_keep_to_their_length() {
    let mut found = Vec::new();
    for source in sources::all() {
        let limit = match source.path.as_str() {
            "ARCHITECTURE.md" => ARCHITECTURE_LINES_MAX,
            // The list of them grows with each.
            "docs/decisions/README.md" => continue,
            path if path.starts_with("docs/decisions/") => DECISION_LINES_MAX,
            _ => continue,
        };
        let count = source.lines().count();
        if count > limit {
            found.push(format!("{}: {count} lines, at most {limit}", source.path));
        }
    }
    no_violations("this document is too long to be read", &found);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut found = Vec::new();
    for source in sources::all().iter().filter(|source| source.path.ends_with(".md")) {
        let folder = sources::root().join(&source.path).parent().map(Path::to_owned).unwrap_or_default();
        for (number, line) in source.lines() {
            for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let target = link.split('#').next().unwrap_or_default();
                let outside = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
                if !outside && !folder.join(target).exists() {
                    found.push(format!("{}: {link}", super::at(source, number)));
                }
            }
        }
    }
    no_violations("a link leads nowhere", &found);
}
