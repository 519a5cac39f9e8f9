//! Every version of every event that was ever published, each with its JSON Schema.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::cloud_event::kebab;
use crate::identity::AccountEvent;
use crate::orders::{OrderEvent, OrderImportedV1};
use crate::payments::PaymentEvent;
use crate::products::{ProductEvent, ReservationEvent, StockEvent};
use crate::{Context, ce_dataschema, dotted_name, schema_path};

/// One version of one event.
#[derive(Clone, Debug)]
pub struct Published {
    /// Where it happens.
    pub context: Context,
    /// Its name.
    pub event_type: &'static str,
    /// The version of its shape.
    pub version: u32,
    /// What its fields look like.
    pub schema: Value,
}

impl Published {
    /// Where its files lie, below the folder of their kind: `orders/order-imported.v2.json`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}.v{}.json", self.context, kebab(self.event_type), self.version)
    }

    /// How people name it: `orders.order-imported`.
    #[must_use]
    pub fn dotted(&self) -> String {
        dotted_name(self.context, self.event_type)
    }

    /// What records of it name as their schema.
    #[must_use]
    pub fn dataschema(&self) -> String {
        ce_dataschema(self.context, self.event_type, &self.version.to_string())
    }

    /// Where an instance serves its schema: `/schemas/orders.order-imported/2.json`.
    #[must_use]
    pub fn route(&self) -> String {
        schema_path(self.context, self.event_type, &self.version.to_string())
    }

    /// Its schema as it stands in a file.
    #[must_use]
    pub fn schema_text(&self) -> String {
        format!("{:#}\n", self.schema)
    }
}

/// All of them, by context, name and version.
#[must_use]
pub fn published() -> Vec<Published> {
    let mut all = vec![old::<OrderImportedV1>(Context::Orders, "OrderImported", 1)];
    all.extend(current::<AccountEvent>(Context::Identity, AccountEvent::VERSIONS));
    all.extend(current::<OrderEvent>(Context::Orders, OrderEvent::VERSIONS));
    all.extend(current::<ProductEvent>(Context::Products, ProductEvent::VERSIONS));
    all.extend(current::<ReservationEvent>(Context::Products, ReservationEvent::VERSIONS));
    all.extend(current::<StockEvent>(Context::Products, StockEvent::VERSIONS));
    all.extend(current::<PaymentEvent>(Context::Payments, PaymentEvent::VERSIONS));
    all.sort_by_key(|event| (event.context, event.event_type, event.version));
    all
}

/// The folder of this crate where the schemas are committed.
#[must_use]
pub fn schemas_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// Where the committed schemas differ from the types, each with a word on how: nothing if all is well.
///
/// # Errors
/// If the folder cannot be read.
pub fn drift(folder: &Path) -> io::Result<Vec<String>> {
    let committed = files_below(folder, folder)?;
    let wanted = wanted();
    let differs = wanted.iter().filter_map(|(path, text)| match committed.get(path) {
        None => Some(format!("{path} is missing")),
        Some(found) if found != text => Some(format!("{path} differs")),
        Some(_) => None,
    });
    let surplus = committed.keys().filter(|path| !wanted.contains_key(*path));
    Ok(differs.chain(surplus.map(|path| format!("{path} belongs to no event"))).collect())
}

/// Writes the schemas of all events and removes what belongs to none. Returns what was changed.
///
/// # Errors
/// If the folder cannot be read or written.
pub fn write_schemas(folder: &Path) -> io::Result<Vec<String>> {
    let changes = drift(folder)?;
    let wanted = wanted();
    for path in files_below(folder, folder)?.keys().filter(|path| !wanted.contains_key(*path)) {
        fs::remove_file(folder.join(path))?;
    }
    for (path, text) in wanted {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    Ok(changes)
}

fn wanted() -> BTreeMap<String, String> {
    published().iter().map(|event| (event.path(), event.schema_text())).collect()
}

/// The files below a folder with their text, by path from `root`. A folder that is not there has none.
fn files_below(root: &Path, folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.append(&mut files_below(root, &path)?);
        } else if let Ok(name) = path.strip_prefix(root) {
            files.insert(name.to_string_lossy().replace('\\', "/"), fs::read_to_string(&path)?);
        }
    }
    Ok(files)
}

/// A shape that is only read any more, from the type that its upcaster reads.
fn old<Old: JsonSchema>(context: Context, event_type: &'static str, version: u32) -> Published {
    let schema = generator().into_root_schema_for::<Old>().to_value();
    let published = Published { context, event_type, version, schema: Value::Null };
    Published { schema: titled(&published, schema), ..published }
}

/// The shapes that are written today, from the variants of the context's enum.
fn current<Events: JsonSchema>(context: Context, versions: &[(&'static str, u32)]) -> Vec<Published> {
    let root = generator().into_root_schema_for::<Events>().to_value();
    let variants = root["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    let describe = |&(event_type, version): &(&'static str, u32)| {
        let variant = variants.iter().find(|variant| !variant["properties"][event_type].is_null());
        let mut schema = variant.map_or(Value::Null, |variant| variant["properties"][event_type].clone());
        schema["description"] = variant.map_or(Value::Null, |variant| variant["description"].clone());
        let published = Published { context, event_type, version, schema: Value::Null };
        Published { schema: titled(&published, schema), ..published }
    };
    versions.iter().map(describe).collect()
}

fn generator() -> SchemaGenerator {
    // Each schema stands alone, so that a reader needs no second file.
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator()
}

/// The schema with its names, in an order that people read. Later versions of the program may add fields, also to an
/// event that has none yet.
fn titled(event: &Published, schema: Value) -> Value {
    let or = |part: &Value, none: Value| if part.is_null() { none } else { part.clone() };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": event.dataschema(),
        "title": event.event_type,
        "description": schema["description"],
        "type": schema["type"],
        "required": or(&schema["required"], json!([])),
        "properties": or(&schema["properties"], json!({})),
        "additionalProperties": true,
    })
}

#[cfg(test)]
mod tests;
