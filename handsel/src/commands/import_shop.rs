//! `handsel import products|customers|orders FILE`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use platform::bar::Bar;
use platform::clock;

use crate::client::{ClientArgs, OnBar, finish};
use crate::import::{Format, Kind, Mapping, Plan, Shop, Table, Target, Words};
use crate::output;

/// Who the events say has asked.
const CALLER: &str = "import;roles=operator";

/// Reads a table, checks all of it, and sends each thing as commands of its own. Ids follow from those of the shop, so
/// that importing again changes nothing. Bad lines are reported with their numbers and skipped.
#[derive(Args, Debug)]
pub struct ImportShop {
    /// CSV with a header, or JSON Lines. What the columns mean is known of the exports of Shopify and Etsy, and of
    /// columns that are called as the targets are.
    file: PathBuf,

    /// Which column fills which target; several columns are joined with +. `--dry-run` lists targets and columns.
    #[arg(long, value_name = "TARGET=COLUMN,…")]
    map: Vec<String>,

    /// File with lines of the form `target = column`; what --map says wins over it.
    #[arg(long, value_name = "FILE")]
    map_file: Option<PathBuf>,

    /// What a target says in every row.
    #[arg(long, value_name = "TARGET=VALUE")]
    set: Vec<String>,

    /// How the file is written. [default: by its extension]
    #[arg(long)]
    format: Option<Format>,

    /// What separates the cells of CSV. [default: whichever of , ; and tab the header has most of]
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<char>,

    /// How dates are written, as strftime has it, such as %d/%m/%Y. [default: RFC 3339, or as the export writes them]
    #[arg(long, value_name = "FORM")]
    date_format: Option<String>,

    /// What stands before the cents.
    #[arg(long, value_name = "CHARACTER", default_value_t = '.')]
    decimal_mark: char,

    /// Names the shop; ids follow from it and the shop's own. Give all files of a shop the same name.
    #[arg(long, value_name = "NAME", default_value = "shop")]
    shop: String,

    /// Only say what would happen, and send nothing.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    instance: ClientArgs,
}

impl ImportShop {
    /// Imports the file.
    ///
    /// # Errors
    /// If the file cannot be read or mapped, or the server stayed away for too long.
    pub async fn run(self, kind: Kind) -> anyhow::Result<ExitCode> {
        let words = Words::read(kind, &self.map, self.map_file.as_deref(), &self.set)?;
        let table = Table::open(&self.file, self.format, self.delimiter)?;
        let mapping = Mapping::find(kind, &table, &words)?;
        let missing = mapping.missing();
        if self.dry_run {
            show_mapping(kind, &table, &mapping)?;
        }
        anyhow::ensure!(missing.is_empty(), lacking(&missing, &table));
        let shop = Shop::new(&self.shop, mapping, self.date_format.as_deref(), self.decimal_mark)?;
        let plan = Plan::make(kind, table, shop)?;
        for bad in &plan.bad {
            eprintln!("line {}: skipped: {}", bad.line, bad.why);
        }
        if self.dry_run {
            show_plan(kind, &plan)?;
            return Ok(code(plan.bad.is_empty()));
        }
        let started = clock::monotonic();
        let bar = Arc::new(Bar::new(kind.to_string(), Some(plan.good)));
        let sender = self.instance.sender(CALLER, OnBar(bar.clone()))?;
        let answered = || format!("{} of {} {kind} were answered", bar.done(), plan.good);
        let summary = sender.send_all(plan.jobs()?).await.with_context(answered)?;
        drop(sender);
        finish(bar);
        let took = started.elapsed().as_secs_f64();
        output::line(format!("{kind}: {summary}, {} lines skipped; {took:.1} s", plan.bad.len()))?;
        Ok(code(plan.bad.is_empty() && summary.refused == 0))
    }
}

fn code(all: bool) -> ExitCode {
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn lacking(missing: &[&Target], table: &Table) -> String {
    let first = missing.first().map_or("", |target| target.name);
    let all: Vec<String> = missing.iter().map(|target| format!("`{}` ({})", target.name, target.about)).collect();
    let by_hand = if first == "id" { String::new() } else { format!(", or --set {first}=VALUE for all rows") };
    format!(
        "no column fills {}; say which one does with --map {first}=COLUMN{by_hand}. The file has: {}",
        all.join(", "),
        table.columns.join(", ")
    )
}

fn show_mapping(kind: Kind, table: &Table, mapping: &Mapping) -> anyhow::Result<()> {
    output::line(match mapping.preset() {
        Some(preset) => format!("{kind}: the columns are those of {preset}"),
        None => format!("{kind}: the columns are of no export that is known; those called as a target fill it"),
    })?;
    output::line("")?;
    let heading = ["target", "filled by", "because of", "what it is"].map(str::to_owned).to_vec();
    output::table(&[vec![heading], mapping.shown()].concat())?;
    let left_out = mapping.left_out(table);
    if !left_out.is_empty() {
        output::line("")?;
        output::line(format!("left out: {}", left_out.join(", ")))?;
    }
    output::line("")
}

fn show_plan(kind: Kind, plan: &Plan) -> anyhow::Result<()> {
    let counts = plan.counts;
    let parts = match kind {
        Kind::Products => {
            format!(" with {} variants and {} pieces in stock", counts.parts, counts.pieces)
        }
        Kind::Customers => String::new(),
        Kind::Orders => format!(" with {} lines and {} pieces", counts.parts, counts.pieces),
    };
    for first in &plan.first {
        output::line(first)?;
    }
    if !plan.first.is_empty() {
        output::line("")?;
    }
    let bad = plan.bad.len();
    output::line(format!("{} {kind}{parts} would be imported, {bad} lines be skipped; nothing was sent", plan.good))
}
