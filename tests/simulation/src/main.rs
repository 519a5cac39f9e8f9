//! Plays seeds, many or one, and walks the model.

use std::io::{Write as _, stdout};
use std::process::ExitCode;

use clap::Parser;
use platform::bar::Bar;
use simulation::model::{self, Bounds};
use simulation::{History, Mutant, Summary, play, run};

/// Plays the whole system on a simulated store, log and clock, and looks at its protocol in every state.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to play
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Play this one alone
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happens in it, step by step
    #[arg(long, requires = "seed")]
    history: bool,
    /// Plant a defect, to see it found
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
    /// Walk the model instead of playing seeds
    #[arg(long)]
    model: bool,
}

fn mutant(name: &str) -> Result<Mutant, String> {
    let named = Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
    named.ok_or_else(|| format!("there is no such defect; there are {:?}", Mutant::ALL))
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.model {
        return walk();
    }
    // What a run ends with is told at its end, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    match arguments.seed {
        Some(seed) => one(seed, &arguments),
        None => many(&arguments),
    }
}

fn one(seed: u64, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let history = if arguments.history { History::kept() } else { History::none() };
    let outcome = run(seed, &history, arguments.mutant);
    let mut out = stdout().lock();
    for line in history.lines() {
        writeln!(out, "{line}")?;
    }
    if let Some(broken) = outcome.broken {
        writeln!(out, "seed {seed} FAILS: {broken}")?;
        return Ok(ExitCode::FAILURE);
    }
    writeln!(out, "seed {seed} holds: {} events", outcome.events)?;
    Ok(ExitCode::SUCCESS)
}

fn many(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let begun = platform::clock::monotonic();
    let bar = Bar::new("seeds", Some(arguments.seeds));
    let seeds = arguments.from..arguments.from + arguments.seeds;
    let summary = play(seeds, arguments.mutant, |_| bar.add(1));
    bar.finish();
    let mut out = stdout().lock();
    for (what, times) in &summary.tally.0 {
        writeln!(out, "{times:>12}  {what}")?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let Summary { seeds, events, .. } = summary;
    writeln!(out, "{seeds} seeds, {events} events, {seconds:.1} s, {:.0} seeds/s", seeds as f64 / seconds)?;
    if let Some((seed, broken)) = summary.failed {
        let history = History::kept();
        let _again = run(seed, &history, arguments.mutant);
        for line in history.lines() {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "seed {seed} FAILS: {broken}")?;
        let planted = arguments.mutant.map(|mutant| format!(" --mutant {mutant:?}")).unwrap_or_default();
        writeln!(out, "again: cargo run --release -p simulation -- --seed {seed} --history{planted}")?;
        return Ok(ExitCode::FAILURE);
    }
    let missing = summary.tally.missing();
    if !missing.is_empty() && summary.seeds >= simulation::SEEDS_FOR_ALL {
        writeln!(out, "never happened: {}", missing.join("; "))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn walk() -> anyhow::Result<ExitCode> {
    let mut out = stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for bounds in Bounds::LARGE {
        let walked = model::walk(*bounds);
        writeln!(out, "{walked}")?;
        if walked.broken.is_some() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
