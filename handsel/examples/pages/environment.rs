//! `.env.example`: every setting, from the same list as `--help`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use event_schemas::Context;
use handsel::cli::Cli;
use platform::settings::context_variable;

const HEAD: &str = "\
# Every setting of the program, from its own list (`cargo xtask pages`). Without any of them, `handsel` runs by itself.
# What stands behind = is the default; where nothing stands there, the comment says what happens without it.
# docs/reference/settings.md has them in tables.
";
/// What is read elsewhere than on the command line.
const TELEMETRY: [(&str, &str); 6] = [
    ("HANDSEL_ENVIRONMENT", "What traces call the deployment, such as production."),
    ("RUST_LOG", "Which log lines, such as info,handsel=debug."),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "Where traces go (OTLP over gRPC); without it, nowhere."),
    ("OTEL_SERVICE_NAME", "As OpenTelemetry defines it."),
    ("OTEL_RESOURCE_ATTRIBUTES", "As OpenTelemetry defines it."),
    ("OTEL_SDK_DISABLED", "As OpenTelemetry defines it."),
];
const COLUMNS: usize = 118;
/// The heading of what every command has that sends to a running instance.
const SHARED: &str = "Running instance";

pub(crate) fn page() -> String {
    let (mut page, mut seen, mut heading) = (HEAD.to_owned(), BTreeSet::new(), String::new());
    let program = Cli::command();
    // Those of `up` are those of most; what single commands have besides follows.
    for command in program.get_subcommands().filter(|command| command.get_name() == "up") {
        for argument in command.get_arguments() {
            let under = argument.get_help_heading().unwrap_or("Start");
            if wanted(argument, &mut seen) {
                if under != heading {
                    under.clone_into(&mut heading);
                    let _ = write!(page, "\n# --- {heading}\n");
                }
                setting(&mut page, argument);
                if argument.get_env().is_some_and(|name| name == "DATABASE_URL_FILE") {
                    contexts(&mut page);
                }
            }
        }
    }
    others(&program, "", &mut page, &mut seen);
    page.push_str("\n# --- Telemetry\n");
    for (name, what) in TELEMETRY {
        let _ = write!(page, "\n# {what}\n#{name}=\n");
    }
    page
}

fn wanted(argument: &Arg, seen: &mut BTreeSet<String>) -> bool {
    argument.get_env().is_some_and(|name| seen.insert(name.to_string_lossy().into_owned()))
}

fn others(command: &Command, outer: &str, page: &mut String, seen: &mut BTreeSet<String>) {
    for command in command.get_subcommands() {
        let name = format!("{outer}{}", command.get_name());
        let mut heading = String::new();
        for argument in command.get_arguments() {
            if wanted(argument, seen) {
                // What several commands share is named by what it is about.
                let shared = argument.get_help_heading().filter(|heading| *heading == SHARED);
                let under = shared.map_or_else(|| format!("Of `{name}`"), str::to_owned);
                if under != heading {
                    let _ = write!(page, "\n# --- {under}\n");
                    heading = under;
                }
                setting(page, argument);
            }
        }
        others(command, &format!("{name} "), page, seen);
    }
}

fn contexts(page: &mut String) {
    page.push_str("\n# Database of one context's store; each also from a file. Without it, the database URL.\n");
    for context in Context::ALL {
        let name = context_variable(context.name());
        let _ = write!(page, "#{name}=\n#{name}_FILE=\n");
    }
}

fn setting(page: &mut String, argument: &Arg) {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let default: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let name = argument.get_env().map(|name| name.to_string_lossy()).unwrap_or_default();
    page.push('\n');
    comment(page, &help);
    // A flag that is off is as if it were not there.
    let default = if default == ["false"] { String::new() } else { default.join(",") };
    let _ = writeln!(page, "#{name}={default}");
}

fn comment(page: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COLUMNS {
            let _ = writeln!(page, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(page, "{line}");
}
