//! The manual is complete and the words mean what they say.

use std::collections::BTreeSet;

use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn no_command_means_up() {
    let cli = Cli::try_parse_from(["handsel", "--port", "9000"]).unwrap();
    assert!(cli.command.is_none());
}

#[test]
fn a_demo_market_is_made_for_whoever_only_looks_and_in_no_database_that_was_named() {
    let demo = |words: &[&str]| {
        let cli = Cli::try_parse_from(words).unwrap();
        match cli.command {
            None => cli.up.to_look_at().with_demo(),
            Some(Command::Up(up)) => up.with_demo(),
            Some(_) => unreachable!("only these are asked for"),
        }
    };
    assert!(demo(&["handsel"]) && demo(&["handsel", "--port", "9000"]));
    assert!(!demo(&["handsel", "--demo=false"]));
    assert!(!demo(&["handsel", "--database-url", "postgres://db/shop"]));
    assert!(demo(&["handsel", "--database-url", "postgres://db/shop", "--demo"]));
    assert!(!demo(&["handsel", "up"]));
    assert!(demo(&["handsel", "up", "--demo"]));
}

/// The variables in the first column of the tables: `` `X`, `…_FILE` `` stands for X and X_FILE.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../../docs/reference/settings.md");
    let mut found = BTreeSet::new();
    for cell in page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1)) {
        let mut last = String::new();
        for name in cell.split('`').skip(1).step_by(2) {
            last = name.strip_prefix('…').map_or_else(|| name.to_owned(), |suffix| format!("{last}{suffix}"));
            found.insert(last.clone());
        }
    }
    found
}

#[test]
fn the_page_of_settings_lists_every_one_and_no_other() {
    fn collect(command: &clap::Command, into: &mut BTreeSet<String>) {
        into.extend(command.get_arguments().filter_map(clap::Arg::get_env).map(|name| name.to_string_lossy().into()));
        command.get_subcommands().for_each(|command| collect(command, into));
    }
    let mut taken = BTreeSet::new();
    collect(&Cli::command(), &mut taken);
    // What is read elsewhere: by name of a context, and by telemetry.
    let elsewhere = [
        "HANDSEL_<CONTEXT>_DATABASE_URL",
        "HANDSEL_<CONTEXT>_DATABASE_URL_FILE",
        "HANDSEL_ENVIRONMENT",
        "RUST_LOG",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_SDK_DISABLED",
    ];
    taken.extend(elsewhere.map(str::to_owned));
    assert_eq!(documented(), taken, "docs/reference/settings.md");
}

#[test]
fn every_setting_is_also_an_environment_variable() {
    fn check(command: &clap::Command, lacking: &mut Vec<String>) {
        for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let own = ["help", "version"].contains(&argument.get_id().as_str());
            if !own && argument.get_env().is_none() {
                lacking.push(format!("{} --{}", command.get_name(), argument.get_long().unwrap_or_default()));
            }
        }
        command.get_subcommands().for_each(|command| check(command, lacking));
    }
    let mut lacking = Vec::new();
    check(&Cli::command(), &mut lacking);
    // What a single run is asked to do is no setting.
    let of_one_run = [
        "--map",
        "--map-file",
        "--set",
        "--delimiter",
        "--date-format",
        "--decimal-mark",
        "--shop",
        "--dry-run",
        "seed --seed",
        "seed --size",
        "--accept",
        "--format",
        "--context",
        "--from",
        "--to",
        "--with-keys",
        "--into",
        "--reason",
        "postgres-es --database-url",
        "heads --public-key",
        "tail --type",
        "tail --aggregate",
        "tail --json",
        "tail --count",
        "listen --forward-to",
        "listen --type",
        "listen --aggregate",
        "listen --count",
        "deliveries --state",
        "rotate --overlap-s",
        "trigger --list",
        "verify --all",
        "verify --acknowledged",
        "verify --complete",
        "verify --api",
        "verify --quiesced",
        "verify --settle-max-s",
        "verify --format",
    ];
    lacking.retain(|argument| !of_one_run.iter().any(|one| argument.ends_with(one)));
    assert!(lacking.is_empty(), "no environment variable: {lacking:?}");
}
