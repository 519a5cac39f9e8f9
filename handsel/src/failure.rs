//! How the program says that it cannot go on: one line with what, why and what to do.

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

/// Writes the one line and gives the exit code of a failure. Nobody wants a backtrace here.
#[must_use]
pub fn report(error: &anyhow::Error) -> ExitCode {
    let line = one_line(error);
    // Standard error may be closed; there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "handsel: {line}");
    ExitCode::FAILURE
}

/// The error with its causes, without repeating what a cause says again, on one line.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if said.contains(&text) {
            continue;
        }
        if !said.is_empty() {
            said.push_str(": ");
        }
        said.push_str(&text);
    }
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why a port cannot be listened on, and what to do about it.
#[must_use]
pub fn cannot_listen(address: SocketAddr, setting: &str, error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!(
            "cannot listen on {address}: another program uses that port; stop it, or choose another port with {setting}"
        ),
        ErrorKind::PermissionDenied => anyhow::anyhow!(
            "cannot listen on {address}: ports below 1024 need special rights; choose another port with {setting}"
        ),
        _ => anyhow::anyhow!("cannot listen on {address}: {error}; choose another address or port with {setting}"),
    }
}

#[cfg(test)]
mod tests;
