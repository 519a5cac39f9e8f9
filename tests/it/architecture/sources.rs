//! Reads the repository's own files for the rules to look at.

use std::fs;
use std::path::{Path, PathBuf};

/// The crates of the workspace; `every_crate_is_on_the_list` keeps this true.
pub(super) const CRATES: [&str; 17] = [
    "bench",
    "command-api",
    "domain",
    "envelope",
    "event-schemas",
    "event-store",
    "handsel",
    "platform",
    "projectors",
    "query-api",
    "reactors",
    "search",
    "tests",
    "tests/rig",
    "tests/simulation",
    "tests/verifier",
    "xtask",
];

/// Build output and what is not ours.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", ".sqlx", "__pycache__"];

/// A text file of the repository.
pub(super) struct Source {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// Line numbers as editors count them.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether the file belongs to this crate.
    pub(super) fn is_in(&self, krate: &str) -> bool {
        self.path.strip_prefix(krate).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Tests may do what programs may not.
    pub(super) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
    }
}

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

/// Every text file, in the order of their names.
pub(super) fn all() -> Vec<Source> {
    let mut found = Vec::new();
    walk(&root(), &root(), &mut found);
    found.sort_by(|a: &Source, b| a.path.cmp(&b.path));
    found
}

/// Every Rust file.
pub(super) fn rust() -> Vec<Source> {
    all().into_iter().filter(|source| source.path.ends_with(".rs")).collect()
}

/// One file, or nothing if it is not there.
pub(super) fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// The `[dependencies]` of a crate by name, with those for tests and builds if asked for.
pub(super) fn dependencies(krate: &str, also_for_tests: bool) -> Vec<String> {
    let manifest = read(&format!("{krate}/Cargo.toml")).unwrap_or_else(|| panic!("{krate} has no Cargo.toml"));
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if section == "dependencies" || (also_for_tests && section.ends_with("dependencies")) {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                found.push(name.to_owned());
            }
        }
    }
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("the repository can be read") {
        let path = entry.expect("the repository can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).expect("walked from the root");
            found.push(Source { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
}
