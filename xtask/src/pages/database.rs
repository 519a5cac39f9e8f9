//! `docs/database.md`: schemas, tables, columns and keys of a migrated database, with the comments of the migrations
//! and of the read models.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use event_schemas::Context;
use serde_json::Value;

use crate::root;

const HEAD: &str = "\
# Tables

Every schema of a migrated database, from the database itself and the comments of its migrations \
(`cargo xtask pages`). Each context's store, the keys and the read models may lie in databases of their own. \
What others may rely on are the [API](reference/http.md) and the [events](events.md); tables may change with any \
version.
";

/// A schema, what it is, and where the comments of its tables stand.
const SCHEMAS: [(&str, &str, &str); 4] = [
    ("es_<context>", "The event store of one context, the same for each: ", "event-store/migrations"),
    ("keys", "The keys that open personal data.", "event-store/migrations-keys"),
    ("react", "What follows from events and is not done yet.", "reactors/migrations"),
    (
        "read",
        "The read models: each is a view on the table of its live generation. All of it can be built again.",
        "projectors/migrations",
    ),
];

/// Comments by table and column; the table's own under an empty one.
type Comments = BTreeMap<(String, String), String>;

pub(super) fn page(described: &str) -> anyhow::Result<String> {
    let tables: Vec<Value> = serde_json::from_str(described).context("reading the tables")?;
    let mut page = HEAD.to_owned();
    let mut known: Vec<String> = Vec::new();
    for (schema, what, migrations) in SCHEMAS {
        let _ = write!(page, "\n## `{schema}`\n\n{what}");
        let mut name = schema.to_owned();
        if let Some(first) = Context::ALL.first().filter(|_| schema.contains('<')) {
            name = schema.replace("<context>", first.name());
            let all = Context::ALL.map(|context| format!("`es_{context}`")).join(", ");
            let _ = write!(page, "{all}.");
            known.extend(Context::ALL.map(|context| format!("es_{context}")));
        }
        page.push('\n');
        known.push(name.clone());
        let mut comments = comments_of(&root().join(migrations))?;
        if schema == "read" {
            comments.extend(read_models(&root().join("projectors/src"))?);
        }
        let own: Vec<&Value> = tables.iter().filter(|table| table["schema"] == name.as_str()).collect();
        for table in &own {
            // A read model is described once, with the columns and keys of its first generation.
            let behind = own.iter().find(|other| is_behind(other, table));
            if !own.iter().any(|view| is_behind(table, view)) {
                describe(&mut page, table, behind.unwrap_or(table), &comments, schema);
            }
        }
    }
    let unknown = tables.iter().find(|table| !known.iter().any(|name| table["schema"] == name.as_str()));
    if let Some(table) = unknown {
        anyhow::bail!("the schema {} is not described: give it a row in xtask/src/pages/database.rs", table["schema"]);
    }
    Ok(page)
}

/// Whether a table is the one that the view of a read model shows, and not a further one of it.
fn is_behind(table: &Value, view: &Value) -> bool {
    let rest = table["name"].as_str().and_then(|name| name.strip_prefix(view["name"].as_str()?));
    view["kind"] == "v"
        && rest
            .and_then(|rest| rest.strip_prefix("_v"))
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A table, or a view with the table behind it.
fn describe(page: &mut String, shown: &Value, table: &Value, comments: &Comments, schema: &str) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&shown["name"]);
    let view = match (shown["kind"] == "v", table["name"].as_str()) {
        (true, Some(behind)) if behind != name => format!(", a view on `{behind}`"),
        (true, _) => ", a view".to_owned(),
        (false, _) => String::new(),
    };
    let _ = write!(page, "\n### `{schema}.{name}`{view}\n");
    let comment = |column: &str| comments.get(&(name.clone(), column.to_owned())).cloned().unwrap_or_default();
    if !comment("").is_empty() {
        let _ = write!(page, "\n{}\n", comment(""));
    }
    let columns = table["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_explained = columns.iter().any(|column| !comment(&text(&column["name"])).is_empty());
    let (heading, line) = if is_explained { (" what |", "---|") } else { ("", "") };
    let _ = write!(page, "\n| column | type | default |{heading}\n|---|---|---|{line}\n");
    for column in columns {
        let called = text(&column["name"]);
        let optional = if column["required"] == true || table["kind"] == "v" { "" } else { ", may be null" };
        let default = column["default"].as_str().map(|text| format!("`{text}`")).unwrap_or_default();
        let what = comment(&called).replace('|', "\\|");
        let what = if is_explained { format!(" {what} |") } else { String::new() };
        let _ = writeln!(page, "| `{called}` | {}{optional} | {default} |{what}", text(&column["type"]));
    }
    let keys: Vec<String> = table["keys"].as_array().into_iter().flatten().map(|key| text(&key["says"])).collect();
    let indexes = table["indexes"].as_array().into_iter().flatten().map(|index| on(&text(index)));
    let all: Vec<String> = keys.into_iter().chain(indexes).collect();
    if !all.is_empty() {
        page.push('\n');
        all.iter().for_each(|one| _ = writeln!(page, "- `{one}`"));
    }
}

/// What an index covers: its name says nothing.
fn on(definition: &str) -> String {
    let kind = if definition.starts_with("CREATE UNIQUE") { "unique index" } else { "index" };
    definition.split_once(" USING ").map_or_else(|| definition.to_owned(), |(_, rest)| format!("{kind} {rest}"))
}

/// The comments of migrations: those right above a table are its own, those above or behind a column that column's.
fn comments_of(folder: &Path) -> anyhow::Result<Comments> {
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    let mut comments = Comments::new();
    for file in files {
        let (mut above, mut table) = (String::new(), None);
        for line in fs::read_to_string(file.path())?.lines() {
            let code = line.trim();
            if let Some(words) = code.strip_prefix("--") {
                above = [above.as_str(), words.trim()].join(" ").trim().to_owned();
                continue;
            }
            let said = std::mem::take(&mut above);
            if let Some(name) = made(code) {
                comments.insert((name.to_owned(), String::new()), said);
                table = Some(name.to_owned());
            } else if code.starts_with(')') || code.is_empty() {
                table = None;
            } else if let Some(name) = &table {
                let behind = code.split_once("-- ").map(|(_, words)| words.trim()).unwrap_or_default();
                let said = [said.as_str(), behind].join(" ").trim().to_owned();
                let column = code.split_whitespace().next().unwrap_or_default();
                if !said.is_empty() {
                    comments.insert((name.clone(), column.to_owned()), said);
                }
            }
        }
    }
    Ok(comments)
}

/// The name of the table or view that a line makes.
fn made(code: &str) -> Option<&str> {
    let rest = ["create table ", "create unlogged table ", "create view ", "create or replace view "]
        .iter()
        .find_map(|verb| code.strip_prefix(verb))?;
    rest.split([' ', '(']).next()
}

/// What the first line of each read model's file says of it.
fn read_models(folder: &Path) -> anyhow::Result<Comments> {
    let mut comments = Comments::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            comments.extend(read_models(&path)?);
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let head = head.join(" ");
        if let Some((name, what)) = head.strip_prefix("`read.").and_then(|rest| rest.split_once("`: ")) {
            comments.insert((name.to_owned(), String::new()), capital(what));
        }
    }
    Ok(comments)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
