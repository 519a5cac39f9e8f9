//! A shop's past over HTTP, one request per purchase.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::Options;
use crate::cells::Cell;
use crate::program::{Place, Program};
use crate::visible;

/// As many as the real file has.
const PURCHASES: usize = 69_659;
const CUSTOMERS: usize = 23_570;

/// How many fresh instances are filled.
const RUNS: usize = 3;

/// What the file says.
struct Expected {
    purchases: usize,
    customers: usize,
    units: u64,
}

pub(crate) async fn run(options: &Options, place: &Place) -> anyhow::Result<String> {
    let (file, what) = match &options.cdnow {
        Some(path) => (path.clone(), "the CDNOW file"),
        None => (made_up(place.path())?, "made-up purchases of the same shape as the CDNOW file"),
    };
    let expected = expected(&file)?;
    let (mut seconds, mut purchases, mut requests) = (Cell::default(), Cell::default(), Cell::default());
    for run in 0..RUNS {
        let program = Program::start(&place.path().join(format!("import-{run}")), None).await?;
        let words = ["import", "cdnow", file.to_str().context("the path is no UTF-8")?, "--url", &program.url];
        let (said, took) = program.call(&words).await?;
        eprintln!("import: run {run} took {:.1} s\n{said}", took.as_secs_f64());
        visible::wait_for_orders(&program, expected.purchases).await?;
        check(&program, &expected).await?;
        seconds.add(took.as_secs_f64());
        purchases.add(expected.purchases as f64 / took.as_secs_f64());
        requests.add((expected.purchases + expected.customers) as f64 / took.as_secs_f64());
        program.stop().await?;
    }
    Ok(format!(
        "`handsel import cdnow` of {what}: {} customers are registered and {} purchases sent, one request each, by one \
         client on the same machine, into {RUNS} fresh instances of `handsel up` with embedded Postgres and broker.\n\n\
         | | median (smallest–largest) |\n|---|---|\n| seconds, whole command | {} |\n\
         | purchases per second | **{}** |\n\
         | requests per second | {} |\n\nEach time the totals were those of the file, and `verify` passed.",
        expected.customers,
        expected.purchases,
        seconds.show(1),
        purchases.show(0),
        requests.show(0),
    ))
}

async fn check(program: &Program, expected: &Expected) -> anyhow::Result<()> {
    let totals = visible::summary(program).await?;
    let same = totals["orders"] == expected.purchases
        && totals["customers"] == expected.customers
        && totals["units"] == expected.units;
    ensure!(same, "the totals are {totals}");
    program.call(&["verify"]).await?;
    Ok(())
}

/// Counts by itself, not by the program's code.
fn expected(file: &Path) -> anyhow::Result<Expected> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let lines: Vec<_> = lines.iter().filter(|fields| fields.len() == 4).collect();
    let customers: BTreeSet<_> = lines.iter().map(|fields| fields[0]).collect();
    let units = lines.iter().map(|fields| fields[2].parse::<u64>()).sum::<Result<u64, _>>()?;
    Ok(Expected { purchases: lines.len(), customers: customers.len(), units })
}

fn made_up(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut text = " customer_id  date number_of_cds  dollar_value\n".to_owned();
    for number in 0..PURCHASES {
        let (customer, day) = (number % CUSTOMERS + 1, number % 28 + 1);
        let month = number / 28 % 12 + 1;
        let (units, cents) = (number % 9 + 1, number % 100);
        writeln!(text, " {customer:05} 1997{month:02}{day:02}  {units}  {}.{cents:02}", number % 70 + 5)?;
    }
    let path = folder.join("purchases.txt");
    fs::write(&path, text)?;
    Ok(path)
}
