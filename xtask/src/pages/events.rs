//! `docs/events.md`: every event in words, from its schema and its sample.

use std::fmt::Write as _;
use std::fs;

use anyhow::Context as _;
use event_schemas::Context;
use event_schemas::published::{Published, published};
use serde_json::Value;

use crate::root;

const HEAD: &str = "\
# Catalogue of events

What can happen in the market: when, with which fields, and a sample of each. It follows from the types and \
the golden files (`cargo xtask pages`).
Headers, topics and how events travel stand in [events and topics](reference/events.md).

Amounts are whole minor units of their currency: 1177 is 11.77 USD. Times are RFC 3339 in UTC with microseconds, \
days are `2024-05-01`. A field that is sealed shows its ciphertext; see \
[personal data](explanation/personal-data.md). Readers must accept fields and events that they do not know.
";

pub(super) fn page() -> anyhow::Result<String> {
    let mut page = HEAD.to_owned();
    let all = published();
    for context in Context::ALL {
        let _ = write!(page, "\n## {context}\n\nTopic `{}`.\n", context.topic());
        for event in all.iter().filter(|event| event.context == context) {
            let is_old = all.iter().any(|other| {
                (other.context, other.event_type) == (context, event.event_type) && other.version > event.version
            });
            describe(&mut page, event, is_old)?;
        }
    }
    Ok(page)
}

fn describe(page: &mut String, event: &Published, is_old: bool) -> anyhow::Result<()> {
    let Published { event_type, version, schema, .. } = event;
    let old = if is_old { ": only read any more" } else { "" };
    let _ = write!(page, "\n### {event_type}, version {version}{old}\n");
    let _ = write!(page, "\n{}\n", text(&schema["description"]));
    let mut rows = Vec::new();
    fields(&mut rows, "", schema, true);
    if rows.is_empty() {
        page.push_str("\nIt has no fields.\n");
    } else {
        page.push_str("\n| field | type | what |\n|---|---|---|\n");
        for [name, kind, what] in rows {
            let _ = writeln!(page, "| `{name}` | {kind} | {} |", what.replace('|', "\\|"));
        }
    }
    let sample = root().join("event-schemas/golden").join(event.path());
    let sample = fs::read_to_string(&sample).with_context(|| format!("{} is missing", sample.display()))?;
    let sample: Value = serde_json::from_str(&sample).with_context(|| format!("the sample of {event_type}"))?;
    let _ = write!(page, "\n```json\n{sample:#}\n```\n");
    Ok(())
}

/// A row for each field, those of objects in it behind a point, those of lists behind `[]`.
fn fields(rows: &mut Vec<[String; 3]>, outer: &str, schema: &Value, whole: bool) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, field) in properties {
        let path = if outer.is_empty() { name.clone() } else { format!("{outer}.{name}") };
        let required = whole && schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let optional = if required { "" } else { ", may be missing" };
        let what = [text(&field["description"]), words(field)].concat();
        rows.push([path.clone(), format!("{}{optional}", kind(field)), what]);
        if field["type"] == "array" {
            fields(rows, &format!("{path}[]"), &field["items"], true);
        } else {
            fields(rows, &path, field, true);
        }
    }
}

/// What stands there, and in which unit.
fn kind(field: &Value) -> String {
    let one = |format: &str| match format {
        "uuid" => "UUID".to_owned(),
        "date" => "day".to_owned(),
        "date-time" => "time, UTC".to_owned(),
        _ => "text".to_owned(),
    };
    if is_sealed(field) {
        return "sealed text".to_owned();
    }
    let of = match &field["type"] {
        Value::String(of) => of.clone(),
        Value::Array(several) => several.iter().map(text).find(|one| one != "null").unwrap_or_default(),
        _ if !choices(field).is_empty() => "string".to_owned(),
        _ => "object".to_owned(),
    };
    match of.as_str() {
        "string" if !choices(field).is_empty() => "one of some words".to_owned(),
        "string" => one(field["format"].as_str().unwrap_or_default()),
        "integer" => "whole number".to_owned(),
        "boolean" => "yes or no".to_owned(),
        "array" => format!("list of {}s", kind(&field["items"])).replace("texts", "text"),
        _ => "object".to_owned(),
    }
}

/// Whether it holds the ciphertext of something personal.
fn is_sealed(field: &Value) -> bool {
    let forms = field["anyOf"].as_array().into_iter().flatten();
    forms.into_iter().any(|form| !form["properties"]["sealed"].is_null())
}

/// The words that a field may have, each with what it means.
fn words(field: &Value) -> String {
    let choices = choices(field);
    if choices.is_empty() {
        return String::new();
    }
    let said: Vec<String> = choices
        .iter()
        .map(|(word, what)| if what.is_empty() { format!("`{word}`") } else { format!("`{word}`: {what}") })
        .collect();
    format!(" {}", said.join(" "))
}

fn choices(field: &Value) -> Vec<(String, String)> {
    if let Some(words) = field["enum"].as_array() {
        return words.iter().map(|word| (text(word), String::new())).collect();
    }
    let several = field["oneOf"].as_array().or(field["anyOf"].as_array());
    let word = |choice: &Value| {
        let word = choice["const"].as_str().map(str::to_owned)?;
        Some((word, text(&choice["description"])))
    };
    several.map(|several| several.iter().filter_map(word).collect()).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
