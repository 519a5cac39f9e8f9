//! What is taken and answered about webhooks.

use std::collections::{BTreeMap, BTreeSet};

use envelope::{Position, Timestamp};
use event_schemas::Context;
use event_schemas::published::published;
use event_store::Reader;
use platform::http::not_null;
use platform::problem::Problem;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store_away;
use crate::checkpoints::Checkpoint;
use crate::webhooks::places;
use crate::webhooks::secret::Secret;
use crate::webhooks::subscriptions::{ACTIVE, PAUSED, Webhook};
use crate::webhooks::target::Targets;

const DESCRIPTION_CHARS_MAX: usize = 500;
const TYPES_MAX: usize = 64;
const AGGREGATE_CHARS_MAX: usize = 512;

/// What somebody wants to hear of, and where.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookWanted)]
pub(super) struct Wanted {
    /// Where to: https:// or http://.
    #[schema(example = "https://example.org/hook", max_length = 2048)]
    url: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: String,
    /// Only events of these contexts; without it those of all.
    #[serde(default)]
    contexts: Vec<String>,
    /// Only these events, named like `orders.order-placed` or `OrderPlaced`; without it all.
    #[serde(default)]
    #[schema(max_items = 64)]
    types: Vec<String>,
    /// Only what happens to this thing.
    aggregate: Option<String>,
    /// `now`, `start`, or positions such as `orders=17,payments=4`, after which to begin; a context that is not named
    /// then begins at its start. Without it: now.
    #[schema(example = "now")]
    from: Option<String>,
    /// `whsec_` and 24 to 64 bytes in base64, if the receiver has one; without it one is made.
    secret: Option<String>,
}

/// The same, looked at.
pub(super) struct Checked {
    pub(super) url: String,
    pub(super) description: String,
    pub(super) contexts: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) aggregate: Option<String>,
    pub(super) begin: Begin,
    pub(super) secret: Option<Secret>,
}

/// Where a subscription begins.
pub(super) enum Begin {
    Now,
    Start,
    After(BTreeMap<Context, Position>),
}

/// What is changed about a webhook; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookChanges)]
pub(super) struct Changes {
    /// Where to.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, required = false, max_length = 2048)]
    url: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, required = false, max_length = 500)]
    description: Option<String>,
    /// Only events of these contexts, all of them; `[]`: of all.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Vec<String>, required = false)]
    contexts: Option<Vec<String>>,
    /// Only these events, all of them; `[]`: all.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Vec<String>, required = false)]
    types: Option<Vec<String>>,
    /// Only what happens to this thing; null: to all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    aggregate: Option<Option<String>>,
    /// `active` or `paused`.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, required = false, example = "paused")]
    state: Option<String>,
}

/// A field of a patch that can be removed: absent is `None`, null is `Some(None)`.
fn given<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(reader).map(Some)
}

/// A webhook as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct Shown {
    /// Names it.
    pub(super) webhook: Uuid,
    /// Where to.
    url: String,
    /// What it is for.
    description: String,
    /// Only events of these contexts; `[]`: of all.
    contexts: Vec<String>,
    /// Only these events; `[]`: all.
    types: Vec<String>,
    /// Only what happens to this thing.
    aggregate: Option<String>,
    /// `active`, `paused`, or `disabled` when its receiver answered 410.
    #[schema(example = "active")]
    state: String,
    /// Why it is disabled.
    reason: Option<String>,
    /// Who made it.
    created_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: Timestamp,
}

/// A webhook that was just made, with its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookMade)]
pub(super) struct Made {
    #[serde(flatten)]
    pub(super) shown: Shown,
    /// By which the receiver checks that a message is ours. It is not shown again.
    pub(super) secret: String,
}

impl From<Webhook> for Shown {
    fn from(row: Webhook) -> Self {
        Self {
            webhook: row.webhook,
            url: row.url,
            description: row.description,
            contexts: row.contexts,
            types: row.types,
            aggregate: row.aggregate,
            state: row.state,
            reason: row.reason,
            created_by: row.created_by,
            created_at: Timestamp::new(row.created_at),
        }
    }
}

impl Wanted {
    /// # Errors
    /// A 422 that names the field.
    pub(super) fn checked(self, targets: Targets) -> Result<Checked, Problem> {
        let secret = self.secret.as_deref().map(Secret::parse).transpose();
        let (contexts, types) = (contexts(&self.contexts)?, types(&self.types, &self.contexts)?);
        Ok(Checked {
            url: url(targets, &self.url)?,
            description: description(self.description)?,
            contexts,
            types,
            aggregate: self.aggregate.map(aggregate).transpose()?,
            begin: begin(self.from.as_deref().unwrap_or("now"))?,
            secret: secret.map_err(|why| Problem::bad_field("/secret", why))?,
        })
    }
}

impl Changes {
    /// # Errors
    /// A 422 that names the field.
    pub(super) fn applied(self, before: Webhook, targets: Targets) -> Result<Webhook, Problem> {
        let mut after = before;
        if let Some(given) = self.url {
            after.url = url(targets, &given)?;
        }
        if let Some(given) = self.description {
            after.description = description(given)?;
        }
        if let Some(given) = self.contexts {
            after.contexts = contexts(&given)?;
        }
        if let Some(given) = self.types {
            after.types = given;
        }
        // What happens in none of its contexts would be waited for in vain.
        after.types = types(&after.types, &after.contexts)?;
        if let Some(given) = self.aggregate {
            after.aggregate = given.map(aggregate).transpose()?;
        }
        match self.state.as_deref() {
            None => {}
            Some(state @ (ACTIVE | PAUSED)) => {
                after.state = state.to_owned();
            }
            Some(_) => return Err(Problem::bad_field("/state", "it is `active` or `paused`")),
        }
        Ok(after)
    }
}

fn url(targets: Targets, text: &str) -> Result<String, Problem> {
    targets.read(text).map(|url| url.to_string()).map_err(|why| Problem::bad_field("/url", why))
}

fn description(text: String) -> Result<String, Problem> {
    let fits = text.chars().count() <= DESCRIPTION_CHARS_MAX && !text.contains('\0');
    if fits {
        Ok(text)
    } else {
        Err(Problem::bad_field("/description", "it has at most 500 characters, none of them zero"))
    }
}

fn aggregate(id: String) -> Result<String, Problem> {
    let fits = (1..=AGGREGATE_CHARS_MAX).contains(&id.len()) && !id.contains('\0');
    if fits {
        Ok(id)
    } else {
        Err(Problem::bad_field("/aggregate", "it is the id of an aggregate, as its events have it"))
    }
}

fn contexts(names: &[String]) -> Result<Vec<String>, Problem> {
    let mut known = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let context: Context =
            name.parse().map_err(|error| Problem::bad_field(&format!("/contexts/{index}"), format!("{error}")))?;
        known.insert(context);
    }
    Ok(known.into_iter().map(|context| context.name().to_owned()).collect())
}

/// Names of events as they are stored.
fn types(names: &[String], contexts: &[String]) -> Result<Vec<String>, Problem> {
    if names.len() > TYPES_MAX {
        return Err(Problem::bad_field("/types", format!("it names at most {TYPES_MAX} types")));
    }
    let known = published();
    let mut types = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let bad = |why: String| Problem::bad_field(&format!("/types/{index}"), why);
        let mut same = known.iter().filter(|event| event.event_type == name || event.dotted() == *name).peekable();
        let Some(event) = same.peek().copied() else {
            return Err(bad(format!(
                "nothing that can happen is called `{name}`; an event is named like \
                                    orders.order-placed"
            )));
        };
        let event_type = event.event_type;
        if !contexts.is_empty() && !same.any(|event| contexts.iter().any(|context| context == event.context.name())) {
            return Err(bad(format!("`{name}` happens in `{}`, which `contexts` leaves out", event.context)));
        }
        types.insert(event_type.to_owned());
    }
    Ok(types.into_iter().collect())
}

/// # Errors
/// A 422 for `/from`.
pub(super) fn begin(text: &str) -> Result<Begin, Problem> {
    let bad = |why: String| Problem::bad_field("/from", why);
    match text {
        "now" => return Ok(Begin::Now),
        "start" => return Ok(Begin::Start),
        _ => {}
    }
    let form = "it is `now`, `start`, or positions such as orders=17,payments=4";
    let mut after = BTreeMap::new();
    for part in text.split(',') {
        let (context, position) = part.split_once('=').ok_or_else(|| bad(form.to_owned()))?;
        let context: Context = context.trim().parse().map_err(|error| bad(format!("{error}")))?;
        let position =
            position.trim().parse().ok().filter(|position| *position >= 0).ok_or_else(|| bad(form.to_owned()))?;
        if after.insert(context, Position(position)).is_some() {
            return Err(bad(format!("`{context}` stands in it twice")));
        }
    }
    Ok(Begin::After(after))
}

/// Where to begin in each of these stores.
///
/// # Errors
/// A 422 for a position that a store does not reach, a 503 if it cannot be asked.
pub(super) async fn beginnings(
    readers: &BTreeMap<Context, Reader>,
    begin: &Begin,
) -> Result<BTreeMap<Context, Checkpoint>, Problem> {
    let mut places = BTreeMap::new();
    for (context, reader) in readers {
        let position = match begin {
            Begin::Now => None,
            Begin::Start => Some(Position::ZERO),
            Begin::After(after) => Some(after.get(context).copied().unwrap_or_default()),
        };
        let place = places::place(reader, position).await.map_err(|error| store_away(*context, &error))?;
        let place = place.ok_or_else(|| {
            let position = position.unwrap_or_default();
            Problem::bad_field("/from", format!("`{context}` ends before {position}, so that nothing stands there"))
        })?;
        places.insert(*context, place);
    }
    Ok(places)
}
