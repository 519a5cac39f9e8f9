//! Brings payload and metadata of `postgres-es` into the form of this store.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The fields without the variant's name around them (`{"Opened":{"by":1}}` → `{"by":1}`), their bytes untouched;
/// events that are tagged otherwise stay whole. The same as for events that are decided here.
pub(super) fn without_name(event_type: &str, payload: &str) -> String {
    let tagged: Option<BTreeMap<String, Box<RawValue>>> = serde_json::from_str(payload).ok();
    match tagged.as_ref().filter(|tagged| tagged.len() == 1).and_then(|tagged| tagged.get(event_type)) {
        Some(fields) => fields.get().to_owned(),
        None => payload.to_owned(),
    }
}

/// A flat map of strings: what is nested gets its path as its name (`{"a":{"b":1}}` → `{"a.b":"1"}`), lists are their
/// JSON text, nulls are left out.
pub(super) fn metadata(json: &str) -> String {
    let mut flat = BTreeMap::new();
    match serde_json::from_str(json) {
        Ok(Value::Object(fields)) => fields.into_iter().for_each(|(name, value)| put(&mut flat, name, value)),
        Ok(value) => put(&mut flat, "metadata".to_owned(), value),
        Err(_) => drop(flat.insert("metadata".to_owned(), json.to_owned())),
    }
    serde_json::to_string(&flat).expect("a map of strings is plain data")
}

fn put(flat: &mut BTreeMap<String, String>, name: String, value: Value) {
    match value {
        Value::Null => {}
        Value::String(text) => drop(flat.insert(name, text)),
        Value::Object(fields) => {
            fields.into_iter().for_each(|(inner, value)| put(flat, format!("{name}.{inner}"), value));
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => drop(flat.insert(name, value.to_string())),
    }
}

#[cfg(test)]
mod tests;
