//! The keys of personal data: whether this machine's master key opens them, and whether none is missing.

use std::collections::BTreeSet;

use envelope::Position;
use event_schemas::Context;
use event_store::keys::KeyRing;
use serde_json::Value;
use uuid::Uuid;

use super::{NotLooked, Patient, Seen};

/// So many of the newest events are looked through for keys that they name.
const EVENTS_MAX: i64 = 1_000;

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let pool = patient.keys()?;
    // Why it cannot be read is a finding of the folder.
    let master = patient.master().map_err(NotLooked::because)?;
    match master {
        None => no_master(patient, seen).await?,
        Some(master) => {
            if KeyRing::were_made_under(pool, &master).await? == Some(false) {
                seen.error(
                    "keys.other-master",
                    "the keys in the database were wrapped by another master key than this machine's".to_owned(),
                    "no role that needs keys starts, and no personal data can be opened",
                    "set HANDSEL_MASTER_KEY to the one they were made with, or restore `master.key` from its backup",
                );
            }
        }
    }
    for context in Context::ALL {
        let unknown = KeyRing::unknown(pool, &named(context, patient).await?).await?;
        if let Some(first) = unknown.first() {
            seen.error(
                "keys.missing",
                format!(
                    "the newest events of `{context}` name {} keys that do not exist, such as {first}",
                    unknown.len()
                ),
                "what is sealed under them can never be opened: the keys were lost, not erased (that leaves a trace)",
                "restore the schema `keys` from a backup that is newer than these events",
            );
        }
    }
    Ok(())
}

/// Where keys were made already, a fresh one is the wrong one.
async fn no_master(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let made: bool =
        sqlx::query_scalar("select exists (select from keys.master_key)").fetch_one(patient.keys()?).await?;
    if made && patient.is_embedded() {
        seen.error(
            "keys.no-master",
            format!("keys were made, and {} holds no master.key", patient.folder.display()),
            "the next start makes another one, which opens none of them",
            "restore `master.key` from its backup, or set HANDSEL_MASTER_KEY",
        );
    } else if made {
        seen.not_looked(NotLooked::because("this machine has no master key: HANDSEL_MASTER_KEY is not set"));
    }
    Ok(())
}

async fn named(context: Context, patient: &Patient) -> Result<BTreeSet<Uuid>, NotLooked> {
    let reader = patient.store(context)?.reader();
    let head = reader.head().await?.position.get();
    let newest = reader.after(Position((head - EVENTS_MAX).max(0)), EVENTS_MAX).await?;
    let mut named = BTreeSet::new();
    for event in newest {
        if let Ok(fields) = serde_json::from_str(event.data.get()) {
            collect(&fields, &mut named);
        }
    }
    Ok(named)
}

/// A sealed value is an object with its key, its text and its code.
fn collect(value: &Value, named: &mut BTreeSet<Uuid>) {
    match value {
        Value::Object(fields) => {
            let key = fields.get("key").filter(|_| fields.contains_key("sealed") && fields.contains_key("mac"));
            named.extend(key.and_then(Value::as_str).and_then(|key| key.parse::<Uuid>().ok()));
            fields.values().for_each(|value| collect(value, named));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
