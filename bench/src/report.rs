//! The report: one section per part, each replaced alone, so that a part can be measured again without the others.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

/// The sections in the order in which they are read.
const SECTIONS: [(&str, &str); 10] = [
    ("machine", "The machine"),
    ("append", "One-event commands in process"),
    ("import", "Import over HTTP"),
    ("visible", "From a command to its visibility"),
    ("rebuild", "Rebuild of a read model"),
    ("orders", "From a placed order to its confirmation"),
    ("timers", "Timers that are due at once"),
    ("products", "Products by id"),
    ("search", "Search"),
    ("memory", "Start, memory and idling"),
];

const HEAD: &str = "\
# Performance

Written by `cargo run --release -p bench`; nothing here is entered by hand.
Figures of one machine say little about another: look at the ratios. A part that was not measured is missing.
Pairs are interleaved on the same server in the same run; a figure is the median, with the smallest and largest sample.
";

pub(crate) struct Report {
    path: Option<PathBuf>,
    sections: Vec<(&'static str, Option<String>)>,
}

impl Report {
    /// Keeps the sections of an earlier run that are not measured now.
    pub(crate) fn open(path: &std::path::Path, machine: String) -> anyhow::Result<Self> {
        let path = (path.as_os_str() != "-").then(|| path.to_owned());
        let before = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let sections = SECTIONS.iter().map(|(key, _)| (*key, section(&before, key))).collect();
        let mut report = Self { path, sections };
        report.put("machine", &machine)?;
        Ok(report)
    }

    /// Replaces a section, prints it, and writes the file.
    #[expect(clippy::print_stdout, reason = "this program answers on standard output")]
    pub(crate) fn put(&mut self, key: &str, text: &str) -> anyhow::Result<()> {
        println!("\n{text}");
        let slot = self.sections.iter_mut().find(|(name, _)| *name == key).context("no such section")?;
        slot.1 = Some(text.trim().to_owned());
        let Some(path) = &self.path else { return Ok(()) };
        let mut file = HEAD.to_owned();
        for ((key, title), (_, text)) in SECTIONS.iter().zip(&self.sections) {
            if let Some(text) = text {
                file.push_str(&format!("\n## {title}\n\n<!-- {key} -->\n{text}\n<!-- /{key} -->\n"));
            }
        }
        fs::write(path, file).with_context(|| format!("writing {}", path.display()))
    }
}

fn section(text: &str, key: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<!-- {key} -->"))?;
    let (inside, _) = rest.split_once(&format!("<!-- /{key} -->"))?;
    Some(inside.trim().to_owned())
}

#[cfg(test)]
mod tests;
