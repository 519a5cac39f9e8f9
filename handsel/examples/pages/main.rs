//! Prints the files that follow from the program itself, as one object of JSON from path to text: `cargo xtask pages`
//! writes them.

mod dashboard;
mod environment;
mod prometheus;

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let pages = serde_json::json!({
        ".env.example": environment::page(),
        "infra/prometheus/prometheus.yml": prometheus::page(),
        "infra/grafana/handsel.json": dashboard::page(),
    });
    writeln!(std::io::stdout(), "{pages}")
}
