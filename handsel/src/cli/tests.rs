//! The manual is complete and the words mean what they say.

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
    let of_one_run =
        ["--accept", "--context", "--from", "--to", "--with-keys", "--into", "--reason", "postgres-es --database-url"];
    lacking.retain(|argument| !of_one_run.iter().any(|one| argument.ends_with(one)));
    assert!(lacking.is_empty(), "no environment variable: {lacking:?}");
}
