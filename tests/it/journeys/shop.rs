//! What the imported shop must look like, counted from the file by other means than the program's.

use handsel::spine::Spine;
use serde_json::{Value, json};
use tests::{ETA_MAX, data, until};

/// The totals of a file.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) orders: i64,
    pub(super) customers: i64,
    pub(super) units: i64,
    pub(super) revenue_minor: i64,
    pub(super) days: usize,
}

impl Shop {
    /// Summary and days say the same as the file, once the views have caught up.
    pub(super) async fn is_read_from(&self, url: &str) {
        let Self { orders, customers, units, revenue_minor, .. } = *self;
        let expected = json!({"orders": orders, "customers": customers, "units": units,
                              "revenue_minor": revenue_minor, "currency": "USD"});
        until("the summary is that of the file", ETA_MAX, || async {
            let summary = get(&format!("{url}/v1/sales/summary")).await;
            ["orders", "customers", "units", "revenue_minor", "currency"]
                .iter()
                .all(|key| summary[key] == expected[key])
        })
        .await;
        until("the days add up to the same", ETA_MAX, || async {
            let days = all(url, "/v1/sales/by-day").await;
            let sum = |key: &str| days.iter().filter_map(|day| day[key].as_i64()).sum::<i64>();
            days.len() == self.days
                && (sum("orders"), sum("units"), sum("revenue_minor")) == (orders, units, revenue_minor)
        })
        .await;
    }
}

/// The cut of the real file.
pub(in super::super) fn cut() -> String {
    data("cdnow_cut.txt").display().to_string()
}

/// The lines of the cut as requests, each with the customer's number as an id.
pub(super) fn purchases() -> Vec<Value> {
    let file = std::fs::read_to_string(cut()).unwrap();
    let lines = file.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .map(|columns| {
            let (day, units) = (columns[1], columns[2].parse::<u32>().unwrap());
            let amount: i64 = columns[3].replace('.', "").parse().unwrap();
            json!({"customer": format!("018f4e7a-0000-7000-8000-{:0>12}", columns[0]),
                   "ordered_on": format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]),
                   "units": units, "total": {"amount_minor": amount, "currency": "USD"}})
        })
        .collect()
}

pub(super) async fn orders_so_far(url: &str) -> i64 {
    let summary = reqwest::get(format!("{url}/v1/sales/summary")).await;
    let Ok(answer) = summary else { return 0 };
    answer.json::<Value>().await.ok().and_then(|summary| summary["orders"].as_i64()).unwrap_or_default()
}

/// Same days, units and amounts, as often as they stand in the file.
pub(super) async fn customer_has_the_orders_of_the_file(url: &str, reference: &str) {
    let mut expected: Vec<(String, i64, i64)> = std::fs::read_to_string(cut())
        .unwrap()
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns[0] == reference)
        .map(|columns| {
            let day = format!("{}-{}-{}", &columns[1][..4], &columns[1][4..6], &columns[1][6..]);
            (day, columns[2].parse().unwrap(), columns[3].replace('.', "").parse().unwrap())
        })
        .collect();
    expected.sort();
    until("the account is there", ETA_MAX, || async {
        !all(url, &format!("/v1/accounts?filter[reference]={reference}")).await.is_empty()
    })
    .await;
    let accounts = all(url, &format!("/v1/accounts?filter[reference]={reference}")).await;
    let account = accounts[0]["account"].as_str().unwrap_or_default().to_owned();
    until("the customer's orders are those of the file", ETA_MAX, || async {
        let orders = all(url, &format!("/v1/customers/{account}/orders")).await;
        let read = |order: &Value| {
            let day = order["ordered_on"].as_str().unwrap_or_default().to_owned();
            (day, order["units"].as_i64().unwrap_or_default(), order["total"]["amount_minor"].as_i64().unwrap_or(-1))
        };
        let mut found: Vec<_> = orders.iter().map(read).collect();
        found.sort();
        found == expected
    })
    .await;
}

pub(super) async fn every_store_verifies(spine: &Spine) {
    for (context, store) in &spine.stores {
        let report = event_store::verify::store(&store.reader(), |_, _| {}).await.unwrap();
        assert!(report.violations.is_empty(), "{context}: {:?}", report.violations);
        assert_eq!(report.head, store.reader().head().await.unwrap().position);
    }
}

/// Every page of a list.
pub(in super::super) async fn all(url: &str, path: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let from = cursor.map_or_else(String::new, |cursor: String| format!("&cursor={cursor}"));
        let page = get(&format!("{url}{path}{joint}limit=100{from}")).await;
        found.extend(page["data"].as_array().cloned().unwrap_or_default());
        // What grows has a cursor at its end too, for what comes next.
        if page["has_more"] != json!(true) {
            return found;
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
}

async fn get(url: &str) -> Value {
    reqwest::get(url).await.unwrap().json().await.unwrap_or_default()
}
