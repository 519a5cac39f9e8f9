//! What the figures were taken on.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::cells;

const SYNC_SAMPLE: Duration = Duration::from_secs(2);
const SYNC_BYTES: usize = 8192;

/// The machine in a few lines, with what a durable write costs in the folder that the servers use.
pub(crate) fn describe(folder: &Path) -> anyhow::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let sync = sync_cost(folder)?;
    Ok(format!(
        "| | |\n|---|---|\n| CPU | {} |\n| cores | {cores} |\n| memory | {:.0} GiB |\n| kernel | {} |\n\
         | write 8 KiB + fdatasync | {sync:.0} µs (median) |\n| version | {} |",
        model.trim_start_matches([' ', '\t', ':']),
        memory_kib.unwrap_or(0) as f64 / 1024.0 / 1024.0,
        kernel.trim(),
        env!("CARGO_PKG_VERSION"),
    ))
}

/// The same as `pg_test_fsync` does for its first figure.
fn sync_cost(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("sync-cost");
    let mut file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let block = [7_u8; SYNC_BYTES];
    let mut latencies = cells::micros();
    let begun = Instant::now();
    while begun.elapsed() < SYNC_SAMPLE {
        let sent = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&block)?;
        file.sync_data()?;
        latencies.saturating_record(u64::try_from(sent.elapsed().as_micros())?);
    }
    fs::remove_file(path)?;
    Ok(latencies.value_at_percentile(50.0) as f64)
}
