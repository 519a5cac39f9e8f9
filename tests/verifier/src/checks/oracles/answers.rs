//! What the API answers from a read model against the rows of its oracle.

use std::collections::BTreeMap;
use std::time::Duration;

use platform::bar::Bar;
use reqwest::Client;
use serde_json::Value;
use tokio::time::Instant;

use super::{Judged, place};
use crate::oracle::{Asked, Row, cell};
use crate::{Subject, places};

/// So many pages are read of one list; the rows after them are left out.
const PAGES_MAX: u32 = 200;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Rows by their key.
pub(super) type Rows = BTreeMap<Vec<String>, Row>;

/// What was answered.
struct Answered {
    rows: Vec<Row>,
    /// Nothing was left out.
    whole: bool,
}

/// Asks every API. The read model may have moved on since its rows were folded: then a row may be newer, never older,
/// and one of the same age is the same.
pub(super) async fn check(subject: &Subject, judged: &mut Judged, due: &Rows) -> anyhow::Result<()> {
    if subject.options.apis.is_empty() {
        return Ok(());
    }
    let client = Client::builder().timeout(REQUEST_TIMEOUT).build()?;
    let mut compared = 0_u64;
    let expected: Vec<&Row> = due.values().collect();
    for url in &subject.options.apis {
        let bar = Bar::new(format!("answers of {}", judged.model.name), None);
        for asked in (judged.asked)(&expected) {
            let answered = ask(subject, &client, url, &asked).await?;
            let quiet = is_quiet(subject, judged).await?;
            compared += answered.rows.len() as u64;
            bar.add(answered.rows.len() as u64);
            compare(judged, &asked, &answered, due, quiet);
        }
        bar.finish();
    }
    judged.outcome.see("rows answered", compared);
    Ok(())
}

/// The read model still stands where it stood when its rows were folded.
async fn is_quiet(subject: &Subject, judged: &Judged) -> anyhow::Result<bool> {
    let held = places::held(&subject.views).await?;
    let mut mine = held.iter().filter(|at| at.projection == judged.model.name);
    Ok(mine.all(|at| {
        let context = at.context.parse().ok();
        context.and_then(|context| judged.held.get(&(context, at.partition))) == Some(&at.position)
    }))
}

fn compare(judged: &mut Judged, asked: &Asked, answered: &Answered, due: &Rows, quiet: bool) {
    let (model, personal, path) = (judged.model, judged.personal, &asked.path);
    let key = model.tables.first().map(|table| table.key).unwrap_or_default();
    let mut there = BTreeMap::new();
    for row in &answered.rows {
        let (at, place) = (row.key(key), place(model, &row.key(key)));
        match due.get(&at).map(|expected| expected.only(row)) {
            None if quiet => {
                let reason = format!("nothing that happened leads to this row: {}", row.shown(personal));
                judged.outcome.violated(format!("{path}: {place}: {reason}"));
            }
            Some(expected) if expected != *row => {
                let age = |row: &Row| row.column(asked.age).parse::<i64>().unwrap_or_default();
                if quiet || age(row) <= age(&expected) {
                    let reason = expected.differences(row, personal);
                    judged.outcome.violated(format!("{path}: {place}: {reason}"));
                }
            }
            None | Some(_) => {}
        }
        there.insert(at, ());
    }
    let of_question = |row: &&Row| asked.given.iter().all(|(column, value)| row.column(column) == value);
    if answered.whole {
        for row in due.values().filter(of_question).filter(|row| !there.contains_key(&row.key(key))) {
            let place = place(model, &row.key(key));
            judged.outcome.violated(format!("{path}: {place}: the row is missing: {}", row.shown(personal)));
        }
    }
}

async fn ask(subject: &Subject, client: &Client, url: &str, asked: &Asked) -> anyhow::Result<Answered> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    let joint = if asked.path.contains('?') { '&' } else { '?' };
    for _ in 0..PAGES_MAX {
        let page = if asked.list { format!("{joint}limit=100{cursor}") } else { String::new() };
        let body = get(subject, client, &format!("{}{}{page}", url.trim_end_matches('/'), asked.path)).await?;
        if !asked.list {
            return Ok(Answered { rows: vec![read(asked, &body)], whole: true });
        }
        rows.extend(body["data"].as_array().into_iter().flatten().map(|item| read(asked, item)));
        match body["next_cursor"].as_str() {
            Some(next) if body["has_more"] == true => cursor = format!("&cursor={next}"),
            Some(_) | None => return Ok(Answered { rows, whole: true }),
        }
    }
    Ok(Answered { rows, whole: false })
}

/// An answer; one that comes later is waited for as long as everything else.
async fn get(subject: &Subject, client: &Client, url: &str) -> anyhow::Result<Value> {
    let deadline = Instant::now() + subject.options.settle_max;
    loop {
        let answer = client.get(url).send().await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.json().await?);
        }
        let late = status.is_server_error() || status.as_u16() == 429;
        anyhow::ensure!(late && Instant::now() < deadline, "{url} is answered {status}");
        places::pause().await;
    }
}

fn read(asked: &Asked, item: &Value) -> Row {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => cell(text),
        value => cell(value),
    };
    let fields = asked.fields.iter().map(|(pointer, column)| (*column, item.pointer(pointer).and_then(text)));
    let given = asked.given.iter().map(|(column, value)| (*column, cell(value)));
    given.chain(fields).collect()
}
