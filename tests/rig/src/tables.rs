//! What the long run saw, as tables for `docs/reliability.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::defects;
use crate::outcome::{Outcome, PHASES};
use crate::scenarios;

/// Where the tables go.
const PAGE: &str = "docs/reliability.md";
/// What the long run left, one outcome in each line.
const RESULTS: &str = "tests/rig/results";

/// Writes the tables between their marks, or only says whether they are there already.
pub(crate) fn write(check: bool) -> anyhow::Result<bool> {
    let outcomes = read(Path::new(RESULTS))?;
    let before = std::fs::read_to_string(PAGE).with_context(|| format!("reading {PAGE}; run this at the top"))?;
    let after = between(&before, "figures", &figures(&outcomes)?)?;
    let after = between(&after, "defects", &planted(&outcomes)?)?;
    if check {
        return Ok(after == before);
    }
    std::fs::write(PAGE, after)?;
    Ok(true)
}

fn read(folder: &Path) -> anyhow::Result<Vec<Outcome>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    let mut outcomes = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(&file)?.lines() {
            outcomes.push(serde_json::from_str(line).with_context(|| file.display().to_string())?);
        }
    }
    Ok(outcomes)
}

fn between(page: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- rig:{name}:begin -->"), format!("<!-- rig:{name}:end -->"));
    let (before, rest) = page.split_once(&begin).with_context(|| format!("{PAGE} has no {begin}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("{PAGE} has no {end}"))?;
    Ok(format!("{before}{begin}\n\n{text}\n{end}{after}"))
}

/// Each scenario: what landed, what it did to the load, what was measured.
fn figures(outcomes: &[Outcome]) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "| scenario | runs, seeds | what landed | commands acknowledged | lost or doubled | measured |")?;
    writeln!(text, "|---|---|---|---|---|---|")?;
    for scenario in scenarios::ALL {
        let ours = |outcome: &&Outcome| outcome.scenario == scenario.name && outcome.defect.is_none() && !outcome.null;
        let runs: Vec<&Outcome> = outcomes.iter().filter(ours).collect();
        if runs.is_empty() {
            continue;
        }
        let mut landed: BTreeMap<&str, u64> = BTreeMap::new();
        let mut measured: BTreeMap<&str, f64> = BTreeMap::new();
        for run in &runs {
            run.landed.iter().for_each(|(name, count)| *landed.entry(name).or_default() += count);
            for (name, value) in &run.figures {
                let known = measured.entry(name).or_insert(*value);
                *known = if name.starts_with("killed at") { *known } else { known.max(*value) };
            }
        }
        let of_all = |name: &str| PHASES.contains(&name) && name != "seconds to rest";
        measured.retain(|name, _| !name.starts_with("killed at") && !of_all(name));
        let seeds: Vec<String> = runs.iter().map(|run| run.seed.to_string()).collect();
        let acknowledged: u64 = runs.iter().map(|run| run.load.acknowledged).sum();
        let wrong: usize = runs.iter().map(|run| run.violations.len()).sum();
        let list = |pairs: Vec<String>| if pairs.is_empty() { "–".to_owned() } else { pairs.join(", ") };
        writeln!(
            text,
            "| `{}`: {} | {}, seed {} | {} | {acknowledged} | {wrong} | {} |",
            scenario.name,
            scenario.about.trim_end_matches('.').to_lowercase(),
            runs.len(),
            seeds.join(", "),
            list(landed.iter().map(|(name, count)| format!("{count} {name}")).collect()),
            list(measured.iter().map(|(name, value)| format!("{name} {}", round(*value))).collect()),
        )?;
    }
    let nulls = outcomes.iter().filter(|outcome| outcome.null).count();
    let total: u64 = outcomes.iter().filter(|outcome| outcome.defect.is_none()).map(|run| run.load.acknowledged).sum();
    writeln!(text, "\n{total} commands acknowledged in all; {nulls} null runs showed none of the counters.")?;
    Ok(text)
}

fn round(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// Each mistake: which scenarios found it, and by what.
fn planted(outcomes: &[Outcome]) -> anyhow::Result<String> {
    let mut columns: Vec<&str> = defects::ALL.iter().flat_map(|defect| defect.caught_by.iter().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut text = String::new();
    writeln!(text, "| planted mistake | {} | first evidence |", columns.join(" | "))?;
    writeln!(text, "|---|{}---|", "---|".repeat(columns.len()))?;
    for defect in defects::ALL {
        let of: Vec<&Outcome> = outcomes.iter().filter(|run| run.defect.as_deref() == Some(defect.name)).collect();
        let cell = |column: &&str| {
            let mut runs = of.iter().filter(|run| run.scenario == **column);
            runs.next_back().map_or("", |run| if run.violations.is_empty() { "missed" } else { "found" })
        };
        let evidence = match of.is_empty() {
            true => "not run yet".to_owned(),
            false => of.iter().find_map(|run| run.violations.first()).cloned().unwrap_or_default(),
        };
        let evidence: String = evidence.replace('|', "/").replace('\n', " ").chars().take(140).collect();
        let cells: Vec<&str> = columns.iter().map(cell).collect();
        writeln!(text, "| `{}`: {} | {} | {evidence} |", defect.name, defect.about, cells.join(" | "))?;
    }
    Ok(text)
}
