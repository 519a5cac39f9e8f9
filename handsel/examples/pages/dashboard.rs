//! The dashboard for Grafana: is it well, how fast is it, and how far is each part behind.

use serde_json::{Value, json};

/// A panel: its title, its unit as Grafana calls it, and what it shows, each as an expression and a legend.
type Panel = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const ROWS: [(&str, &[Panel]); 5] = [
    (
        "Commands",
        &[
            (
                "Commands by what came of them",
                "ops",
                &[("sum by (outcome) (rate(handsel_commands_total[$__rate_interval]))", "{{outcome}}")],
            ),
            (
                "Time to an answer",
                "s",
                &[
                    (
                        "histogram_quantile(0.5, sum by (le) \
                         (rate(http_server_request_duration_seconds_bucket[$__rate_interval])))",
                        "p50",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) \
                         (rate(http_server_request_duration_seconds_bucket[$__rate_interval])))",
                        "p99",
                    ),
                ],
            ),
            (
                "Answers by status",
                "ops",
                &[(
                    "sum by (http_response_status_code) \
                     (rate(http_server_request_duration_seconds_count[$__rate_interval]))",
                    "{{http_response_status_code}}",
                )],
            ),
            (
                "Events per batch",
                "short",
                &[(
                    "sum(rate(event_store_batch_events_sum[$__rate_interval])) \
                     / sum(rate(event_store_batch_events_count[$__rate_interval]))",
                    "mean",
                )],
            ),
            (
                "Batches that another process was faster than, and sequences written twice",
                "ops",
                &[
                    ("sum(rate(event_store_batches_behind_total[$__rate_interval]))", "behind"),
                    ("sum(rate(event_store_sequence_conflicts_total[$__rate_interval]))", "conflicts: a defect"),
                ],
            ),
            ("Checks that are not well", "short", &[("handsel_check_well == 0", "{{instance}} {{check}}")]),
        ],
    ),
    (
        "Relay",
        &[
            (
                "Events that wait to be published",
                "short",
                &[("max by (context) (handsel_outbox_unpublished)", "{{context}}")],
            ),
            (
                "Events published",
                "ops",
                &[("max by (context) (rate(handsel_relay_checkpoint[$__rate_interval]))", "{{context}}")],
            ),
            (
                "Records sent and read",
                "ops",
                &[
                    ("sum(rate(messaging_client_sent_messages_total[$__rate_interval]))", "sent"),
                    ("sum(rate(messaging_client_consumed_messages_total[$__rate_interval]))", "read"),
                ],
            ),
            (
                "Heads signed, and not",
                "ops",
                &[
                    ("sum(rate(handsel_heads_signed_total[$__rate_interval]))", "signed"),
                    ("sum by (reason) (rate(handsel_heads_failures_total[$__rate_interval]))", "failed: {{reason}}"),
                ],
            ),
        ],
    ),
    (
        "Projections",
        &[
            ("Events behind", "short", &[("max by (projection) (handsel_projection_lag_events)", "{{projection}}")]),
            ("Seconds behind", "s", &[("max by (projection) (handsel_projection_lag_seconds)", "{{projection}}")]),
            ("Parked events", "short", &[("max by (projection) (handsel_projection_parked_events)", "{{projection}}")]),
            (
                "Time until the rows of a batch are committed, p99",
                "s",
                &[(
                    "histogram_quantile(0.99, sum by (le, projection) \
                     (rate(messaging_process_duration_seconds_bucket[$__rate_interval])))",
                    "{{projection}}",
                )],
            ),
        ],
    ),
    (
        "Policies and payments",
        &[
            (
                "What policies asked for",
                "ops",
                &[(
                    "sum by (policy, outcome) (rate(handsel_policy_dispatches_total[$__rate_interval]))",
                    "{{policy}} {{outcome}}",
                )],
            ),
            (
                "Timers that fired",
                "ops",
                &[("sum by (policy) (rate(handsel_policy_timers_total[$__rate_interval]))", "{{policy}}")],
            ),
            (
                "Calls to the payment provider",
                "ops",
                &[(
                    "sum by (kind, outcome) (rate(handsel_payment_calls_total[$__rate_interval]))",
                    "{{kind}} {{outcome}}",
                )],
            ),
        ],
    ),
    (
        "Search",
        &[
            (
                "Time of a question, p99",
                "s",
                &[(
                    "histogram_quantile(0.99, sum by (le, kind) \
                     (rate(handsel_search_query_duration_seconds_bucket[$__rate_interval])))",
                    "{{kind}}",
                )],
            ),
            ("Seconds behind", "s", &[("max(handsel_search_lag_seconds)", "search")]),
            (
                "Products",
                "short",
                &[("max(handsel_search_products)", "kept"), ("max(handsel_search_set_aside_products)", "set aside")],
            ),
        ],
    ),
];

const WIDTH: usize = 8;
const HEIGHT: usize = 8;
const ACROSS: usize = 3;

pub(crate) fn page() -> String {
    let (mut panels, mut y) = (Vec::new(), 0);
    for (title, of_row) in ROWS {
        panels.push(json!({"type": "row", "title": title, "collapsed": false, "id": panels.len() + 1,
                           "gridPos": {"h": 1, "w": WIDTH * ACROSS, "x": 0, "y": y}, "panels": []}));
        y += 1;
        for (index, panel) in of_row.iter().enumerate() {
            let (x, down) = (index % ACROSS * WIDTH, index / ACROSS * HEIGHT);
            panels.push(drawn(panels.len() + 1, panel, x, y + down));
        }
        y += of_row.len().div_ceil(ACROSS) * HEIGHT;
    }
    let board = json!({
        "title": "Handsel",
        "uid": "handsel",
        "tags": ["handsel"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "label": "Prometheus", "type": "datasource",
                                 "query": "prometheus", "hide": 0, "refresh": 1}]},
        "panels": panels,
    });
    format!("{board:#}\n")
}

fn drawn(id: usize, (title, unit, shows): &Panel, x: usize, y: usize) -> Value {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let target = |(index, (expr, legend)): (usize, &(&str, &str))| {
        let name = char::from(b'A' + u8::try_from(index).unwrap_or_default());
        json!({"refId": name, "expr": expr, "legendFormat": legend, "datasource": source})
    };
    let targets: Vec<_> = shows.iter().enumerate().map(target).collect();
    json!({"id": id, "type": "timeseries", "title": title, "datasource": source,
           "gridPos": {"h": HEIGHT, "w": WIDTH, "x": x, "y": y},
           "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
           "options": {"legend": {"showLegend": true, "placement": "bottom", "displayMode": "list"},
                       "tooltip": {"mode": "multi", "sort": "desc"}},
           "targets": targets})
}
