//! `prometheus.yml`: what to read of which role.

use std::fmt::Write as _;

use handsel::roles::Role;

const HEAD: &str = "\
# What Prometheus reads, from the program's list of roles (`cargo xtask pages`). Each process shows the metrics of its
# roles at /metrics of its admin port (HANDSEL_ADMIN_PORT, 8421). The names of hosts are yours to change; a job whose
# processes you do not run is to be left out.
global:
  scrape_interval: 15s

scrape_configs:
  # `handsel up`: every role in one process.
  - job_name: handsel
    static_configs:
      - targets: [\"127.0.0.1:8421\"]

  # The roles alone.
";

pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    for role in Role::ALL {
        let name = role.name();
        let _ = write!(
            page,
            "  - job_name: {name}\n    static_configs:\n      - targets: [\"{name}:8421\"]\n        \
             labels: {{role: {name}}}\n"
        );
    }
    page
}
