//! The running server: which port it gets, how it is started, and when it is ready.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;

use super::binaries::Binaries;
use super::cluster::Cluster;
use super::owner::command;
use super::{EmbeddedError, PostgresOptions};
use crate::clock;

/// Crash recovery of a large log may take this long.
const READY_MAX: Duration = Duration::from_secs(120);
const READY_POLL: Duration = Duration::from_millis(5);
/// A free port may be taken by another program before Postgres has it.
const PORT_ATTEMPTS_MAX: u32 = 5;
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Starts the server and waits until it takes connections.
pub(super) async fn start(
    options: &PostgresOptions,
    binaries: &Binaries,
    cluster: &Cluster,
) -> Result<(Child, u16), EmbeddedError> {
    let remembered = cluster.home.join("port");
    let mut failure = None;
    for _ in 0..PORT_ATTEMPTS_MAX {
        let port = choose_port(options.port, &remembered)?;
        match start_on(port, options, binaries, cluster).await {
            Ok(child) => {
                fs::write(&remembered, port.to_string()).map_err(EmbeddedError::files("write", &remembered))?;
                return Ok((child, port));
            }
            Err(error) if is_port_free(port) => return Err(error),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or(EmbeddedError::PortInUse { port: options.port.unwrap_or_default() }))
}

/// The fixed port, else the one of last time while it is free, else any that is: a URL noted somewhere lives longer.
fn choose_port(fixed: Option<u16>, remembered: &Path) -> Result<u16, EmbeddedError> {
    if let Some(port) = fixed {
        return if is_port_free(port) { Ok(port) } else { Err(EmbeddedError::PortInUse { port }) };
    }
    let last = fs::read_to_string(remembered).ok().and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = last.filter(|&port| port != 0 && is_port_free(port)) {
        return Ok(port);
    }
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    Ok(free.map_err(EmbeddedError::files("find a free port for", remembered))?.port())
}

fn is_port_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

async fn start_on(
    port: u16,
    options: &PostgresOptions,
    binaries: &Binaries,
    cluster: &Cluster,
) -> Result<Child, EmbeddedError> {
    let log = cluster.home.join("postgres.log");
    if fs::metadata(&log).is_ok_and(|found| found.len() > LOG_BYTES_MAX) {
        fs::rename(&log, log.with_extension("log.old")).map_err(EmbeddedError::files("rename", &log))?;
    }
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&log);
    let output = opened.map_err(EmbeddedError::files("open", &log))?;
    let begins_at = output.metadata().map_or(0, |found| found.len());
    let errors = output.try_clone().map_err(EmbeddedError::files("open", &log))?;
    let mut server = command(&binaries.program("postgres"), cluster.owner);
    server.arg("-D").arg(cluster.data()).stdout(Stdio::from(output)).stderr(Stdio::from(errors));
    for setting in settings(port, options) {
        server.arg("-c").arg(setting);
    }
    let mut child = server.spawn().map_err(EmbeddedError::files("run", binaries.program("postgres")))?;
    match ready(&mut child, &cluster.data()).await {
        Ok(()) => Ok(child),
        Err(reason) => {
            // Before the next attempt, or there would be two.
            let _ = child.kill().await;
            let last = last_complaint(&log, begins_at).unwrap_or(reason);
            Err(EmbeddedError::Failed { program: "postgres", reason: last })
        }
    }
}

fn settings(port: u16, options: &PostgresOptions) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
        format!("shared_buffers={}", options.shared_buffers),
        format!("max_connections={}", options.connections_max),
        "max_wal_size=1GB".to_owned(),
        "checkpoint_completion_target=0.9".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "log_checkpoints=off".to_owned(),
    ];
    if !options.durable {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
        // Dropping a database waits for whoever is just logging in, and a test that ends leaves such logins half done.
        settings.push("authentication_timeout=5s".to_owned());
    }
    settings
}

/// Line 8 of `postmaster.pid` says `ready` once connections are taken; line 1 must be the process we started.
async fn ready(child: &mut Child, data: &Path) -> Result<(), String> {
    let pid = child.id().map(|id| id.to_string()).unwrap_or_default();
    let deadline = clock::monotonic() + READY_MAX;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Err(format!("it ended with {status}"));
        }
        let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        if is_ready(&text, &pid) {
            return Ok(());
        }
        if clock::monotonic() > deadline {
            return Err(format!("it was not ready within {} s", READY_MAX.as_secs()));
        }
        tokio::time::sleep(READY_POLL).await;
    }
}

pub(super) fn is_ready(postmaster: &str, pid: &str) -> bool {
    let mut lines = postmaster.lines();
    lines.next() == Some(pid) && lines.nth(6).is_some_and(|status| status.trim_end() == "ready")
}

/// The last FATAL of this start, which says more than "it ended".
fn last_complaint(log: &Path, begins_at: u64) -> Option<String> {
    let bytes = fs::read(log).ok()?;
    let text = String::from_utf8_lossy(bytes.get(usize::try_from(begins_at).ok()?..)?).into_owned();
    let fatal = text.lines().rfind(|line| line.contains("FATAL:") || line.contains("could not"))?;
    Some(fatal.split_once("FATAL:").map_or(fatal, |(_, reason)| reason).trim().to_owned())
}
