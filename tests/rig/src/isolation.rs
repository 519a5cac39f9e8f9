//! A network of the rig's own, so that links can be cut and packets lost without touching the machine's.

use std::process::{Command, ExitCode};

/// Set in the process that runs in its own network.
const INSIDE: &str = "HANDSEL_RIG_NETWORK";

/// Runs this program again in a network namespace of its own, where the machine allows it, and gives its exit status.
/// `None`: this is the one that runs there, or the machine does not allow it. There is no way out of the new network,
/// so what comes from outside is fetched before.
pub(crate) fn inside(fetch: impl FnOnce() -> anyhow::Result<()>) -> Option<ExitCode> {
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    if let Err(error) = fetch() {
        return Some(handsel::failure::report(&error));
    }
    if !is_allowed() {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    // It must not go on when this process is ended.
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "unshare", "--net", "--", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .ok()?;
    Some(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// Whether this process has a network of its own in which packets can be dropped.
pub(crate) fn can_drop() -> bool {
    std::env::var_os(INSIDE).is_some() && succeeds("nft", &["list", "ruleset"])
}

fn is_allowed() -> bool {
    succeeds("setpriv", &["--pdeathsig", "TERM", "unshare", "--net", "--", "ip", "link", "set", "lo", "up"])
}

fn succeeds(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).output().is_ok_and(|done| done.status.success())
}

/// Packets that are lost on the way to a port or from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    pub(crate) port: u16,
    pub(crate) to: bool,
    pub(crate) from: bool,
    /// Of a hundred.
    pub(crate) percent: u8,
}

/// Packets get lost as long as this lives.
pub(crate) struct Losing {
    /// Scenarios run side by side in one network, and each must mend only what it broke itself.
    table: String,
}

impl Losing {
    /// Begins to lose packets; whoever is called the same must not do so already.
    pub(crate) fn begin(name: &str, losses: &[Loss]) -> anyhow::Result<Self> {
        let losing = Self { table: format!("rig_{name}") };
        let table = &losing.table;
        nft(&format!("add table inet {table}"))?;
        nft(&format!("add chain inet {table} arriving {{ type filter hook input priority 0; }}"))?;
        for loss in losses {
            let chance = match loss.percent {
                100 => String::new(),
                percent => format!("numgen random mod 100 lt {percent}"),
            };
            for (side, chosen) in [("dport", loss.to), ("sport", loss.from)] {
                if chosen {
                    nft(&format!("add rule inet {table} arriving tcp {side} {} {chance} counter drop", loss.port))?;
                }
            }
        }
        Ok(losing)
    }

    /// How many packets were dropped.
    pub(crate) fn lost(&self) -> u64 {
        let listed = Command::new("nft").args(["list", "table", "inet", &self.table]).output();
        let text = listed.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default();
        let counts = text.split("packets ").skip(1).filter_map(|rest| rest.split(' ').next());
        counts.filter_map(|count| count.parse::<u64>().ok()).sum()
    }
}

impl Drop for Losing {
    /// The network is whole again.
    fn drop(&mut self) {
        // If it was not made, there is none to delete.
        let _ = nft(&format!("delete table inet {}", self.table));
    }
}

fn nft(rule: &str) -> anyhow::Result<()> {
    let done = Command::new("nft").arg(rule).output()?;
    anyhow::ensure!(done.status.success(), "nft {rule}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
