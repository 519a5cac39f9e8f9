//! What a running `up` says of itself, and whether it still says anything.

use std::time::Duration;

use super::{NotLooked, Patient, Seen};

/// A process that is not frozen answers at once.
const ANSWER_MAX: Duration = Duration::from_secs(5);

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let Some(running) = &patient.running else { return Ok(()) };
    match readiness(&format!("{}/readyz?verbose", running.admin_url)).await {
        Ok(report) => {
            for line in report.lines() {
                say(line, seen);
            }
        }
        Err(error) => seen.error(
            "process.does-not-answer",
            format!(
                "`handsel up` runs as process {} and does not answer at {}: {error}",
                running.pid, running.admin_url
            ),
            "it is frozen or overloaded; it may hold locks that keep others from doing its work",
            format!("see what process {} does; `kill -CONT` wakes one that was stopped, else end it", running.pid),
        ),
    }
    Ok(())
}

async fn readiness(url: &str) -> reqwest::Result<String> {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build()?;
    client.get(url).send().await?.text().await
}

/// `[-]name failed: why` and `[+]name ok, but what`.
fn say(line: &str, seen: &mut Seen) {
    let next = "other causes here may say more; `/readyz?verbose` shows when it has passed";
    if let Some(failed) = line.strip_prefix("[-]") {
        let why = "this process should not be given work until that has passed";
        seen.error("process.not-ready", failed.to_owned(), why, next);
    } else if line.contains(" ok, but ") {
        let remark = line.trim_start_matches("[+]").to_owned();
        seen.warning("process.remark", remark, "it goes on with its work meanwhile", next);
    }
}
