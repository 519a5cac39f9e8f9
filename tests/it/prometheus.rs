//! Prometheus finds every target of the configuration that the repository carries, and can draw the dashboard.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use handsel::roles::Role;
use serde_json::Value;
use tests::{TestApp, World, until};
use tokio::process::{Child, Command};

/// It scrapes each second here.
const SEEN_MAX: Duration = Duration::from_secs(60);

/// Where a program is, if it is installed.
fn installed(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn configuration() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/prometheus/prometheus.yml")).unwrap()
}

fn address(admin_url: &str) -> &str {
    admin_url.strip_prefix("http://").unwrap()
}

fn start(exe: &Path, folder: &Path, port: u16) -> Child {
    Command::new(exe)
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("prometheus.log")).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The targets that are read without an error, by job.
async fn well(url: &str) -> Vec<String> {
    let Ok(answer) = reqwest::get(format!("{url}/api/v1/targets")).await else { return vec![] };
    let targets: Value = answer.json().await.unwrap_or_default();
    let active = targets["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    let up = active.iter().filter(|target| target["health"] == "up");
    let mut jobs: Vec<_> = up.map(|target| target["labels"]["job"].as_str().unwrap_or_default().to_owned()).collect();
    jobs.sort();
    jobs
}

#[tokio::test]
async fn prometheus_sees_every_role_and_can_draw_the_dashboard() {
    let Some(exe) = installed("prometheus") else {
        eprintln!("SKIPPED: prometheus is not installed (apt-get install prometheus); its configuration is not tried");
        return;
    };
    let world = World::start().await;
    let (database, broker) = (tests::database().await, tests::broker().await);
    let mut text = configuration().replace("127.0.0.1:8421", address(&world.app.admin_url));
    let (mut apps, mut jobs) = (Vec::new(), vec!["handsel".to_owned()]);
    for role in Role::ALL {
        let app = TestApp::start(&database, &broker, &[role]).await;
        let target = format!("{}:8421", role.name());
        assert!(text.contains(&target), "the configuration knows every role:\n{text}");
        text = text.replace(&format!("\"{target}\""), &format!("\"{}\"", address(&app.admin_url)));
        apps.push(app);
        jobs.push(role.name().to_owned());
    }
    jobs.sort();
    let folder = tempfile::tempdir().unwrap();
    let text = text.replace("scrape_interval: 15s", "scrape_interval: 1s");
    std::fs::write(folder.path().join("prometheus.yml"), &text).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut prometheus = start(&exe, folder.path(), port);
    let url = format!("http://127.0.0.1:{port}");
    until("every target is up", SEEN_MAX, || async { well(&url).await == jobs }).await;

    let http = reqwest::Client::new();
    for expression in super::metrics::expressions() {
        let query = expression.replace("$__rate_interval", "1m");
        let answer = http.get(format!("{url}/api/v1/query")).query(&[("query", &query)]).send().await.unwrap();
        let said: Value = answer.json().await.unwrap();
        assert_eq!(said["status"], "success", "{query}: {said}");
    }
    prometheus.kill().await.unwrap();
    for app in apps {
        app.stop().await;
    }
    world.app.stop().await;
}
