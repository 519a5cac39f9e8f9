//! What the running program measures is what the reference says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tests::{ETA_MAX, World, until};

use crate::api::world::ACCOUNT;

/// Per metric its kind and its labels.
type Measured = BTreeMap<String, (String, BTreeSet<String>)>;

/// The rows of the tables: `| `name` | kind | `label`, `label` | what |`.
fn documented() -> Measured {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/metrics.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let name = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
        let labels = cells.get(3)?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((name.to_owned(), ((*cells.get(2)?).to_owned(), labels)))
    };
    page.lines().filter_map(row).collect()
}

/// The expressions of the dashboard.
pub(super) fn expressions() -> Vec<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/grafana/handsel.json");
    let board: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The metrics that the dashboard draws: what stands before a range or labels, or in brackets by itself.
fn drawn() -> BTreeSet<String> {
    let words = expressions().join(" ");
    let words = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let of_ours = ["handsel_", "http_server_", "event_store_", "messaging_client_", "messaging_process_"];
    words.filter(|word| of_ours.iter().any(|prefix| word.starts_with(prefix))).map(str::to_owned).collect()
}

/// The metric that a series belongs to.
fn base<'a>(series: &'a str, known: &Measured) -> Option<&'a str> {
    let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| series.strip_suffix(part));
    [Some(series), parts].into_iter().flatten().find(|name| known.contains_key(*name))
}

/// What Prometheus would read.
async fn shown(admin_url: &str) -> Measured {
    let text = reqwest::get(format!("{admin_url}/metrics")).await.unwrap().text().await.unwrap();
    let mut all = Measured::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        all.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
    }
    for (series, labels) in text.lines().filter_map(|line| line.split_once('{')) {
        let known = base(series, &all).unwrap();
        let names = labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name.to_owned());
        all.get_mut(known).unwrap().1.extend(names.filter(|name| name != "le"));
    }
    all
}

#[tokio::test]
async fn every_metric_is_in_the_reference_and_the_reference_promises_none_that_is_not_there() {
    let world = World::start().await;
    let order = json!({"customer": ACCOUNT, "ordered_on": "1997-01-12", "units": 5,
                       "total": {"amount_minor": 7700, "currency": "USD"}});
    let (documented, tries) = (documented(), AtomicU32::new(0));
    assert!(documented.len() > 10, "the tables are read");
    // What the projector finds in the store before the topic brings it is no message: then the next order is.
    until(&format!("all of {:?} are shown", documented.keys()), ETA_MAX, async || {
        let key = format!("measured-{}", tries.fetch_add(1, Ordering::Relaxed));
        _ = world.app.post("/v1/orders/import", &key, &order).await.ok();
        _ = world.app.get("/v1/search/products?q=mug").await.ok();
        let shown = shown(&world.app.admin_url).await;
        documented.keys().all(|name| shown.contains_key(name))
    })
    .await;
    let shown = shown(&world.app.admin_url).await;
    assert_eq!(shown, documented, "docs/reference/metrics.md says what is measured");
    let drawn = drawn();
    assert!(drawn.len() > 15, "the dashboard is read: {drawn:?}");
    let unknown: Vec<_> = drawn.iter().filter(|name| base(name, &shown).is_none()).collect();
    assert!(unknown.is_empty(), "infra/grafana/handsel.json draws what nobody measures: {unknown:?}");
    world.app.stop().await;
}
