//! What came of a command, as HTTP says it.

use axum::Json;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{Kind, Refusal};
use event_schemas::Context;
use event_store::keys::KeysError;
use event_store::{Ask, Done, IdempotencyKey, Refused, StoreError};
use platform::caller::Caller;
use platform::http::{self, REPLAYED, context, etag};
use platform::problem::{Explanation, Problem};
use platform::token::{self, ConsistencyToken, TokenKey};
use serde::Serialize;

const TOKEN: HeaderName = HeaderName::from_static(token::HEADER);
const RETRY_AFTER_S: u32 = 1;
/// A person has to recover the store first.
const RETRY_AFTER_LOSS_S: u32 = 60;

/// What every command may be answered.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "event-too-large",
        413,
        "What would be stored is above the limit for one event. Store less in one command.",
    ),
    Explanation::new(
        "idempotency-key-reused",
        422,
        "The Idempotency-Key was used for another request. Take a new one.",
    ),
    Explanation::new("overloaded", 503, "More commands wait than can be decided soon. Slow down and repeat."),
    Explanation::new("shutting-down", 503, "This process ends. Repeat the request."),
    Explanation::new(
        "store-lost-events",
        503,
        "A replica was promoted or a backup restored, and the newest events of the store are gone. Positions would be \
         used twice, so nothing is appended until an operator runs `handsel recover`. What was answered last may be \
         gone: look before you repeat it.",
    ),
    Explanation::new(
        "store-unavailable",
        503,
        "The event store, or the keys that it seals with, cannot be reached or has no room. Nothing that was answered \
         is lost. Repeat with the same Idempotency-Key after Retry-After; commands go on by themselves.",
    ),
    Explanation::new(
        "version-conflict",
        412,
        "Somebody was faster. Read the new version and repeat if the change still makes sense.",
    ),
];

/// Counts what came of a command. Both names are of the code, so there are few.
pub(crate) fn counted<E>(
    aggregate: &'static str,
    command: &'static str,
    came: Result<Done, Refused<E>>,
) -> Result<Done, Refused<E>> {
    let outcome = match &came {
        Ok(done) if done.replayed => "replayed",
        Ok(done) if done.events.is_empty() => "unchanged",
        Ok(_) => "accepted",
        Err(Refused::Rule(_)) => "refused",
        Err(Refused::Conflict { .. }) => "conflict",
        Err(Refused::KeyReused) => "key_reused",
        Err(Refused::Overloaded) => "overloaded",
        Err(Refused::Unavailable { .. }) => "unavailable",
        Err(Refused::Broken(_)) => "broken",
    };
    metrics::counter!("handsel_commands_total", "aggregate" => aggregate, "command" => command, "outcome" => outcome)
        .increment(1);
    came
}

/// What comes with a command: its cause, the version it was made for, and the key of the request.
pub(crate) fn ask(
    caller: &Caller,
    expected_version: Option<i64>,
    key: Option<&http::IdempotencyKey>,
    fingerprint: impl FnOnce() -> [u8; 32],
) -> Ask {
    let key = key.map(|key| IdempotencyKey {
        caller: caller.name().to_owned(),
        key: key.as_str().to_owned(),
        fingerprint: fingerprint(),
    });
    Ask { cause: context::cause(caller.name()), expected_version, key }
}

/// The note by which a reader sees what this did.
pub(crate) fn token(of: Context, done: &Done) -> ConsistencyToken {
    ConsistencyToken::of(of.name(), done.history, &done.touched)
}

/// 201 with the place of what was made; 200 if it was there already.
pub(crate) fn made<B: Serialize>(of: Context, done: &Done, tokens: &TokenKey, place: &str, body: B) -> Response {
    let status = if done.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = (status, Json(body)).into_response();
    if let Ok(place) = HeaderValue::try_from(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    noted(response, of, done, tokens)
}

/// 204: the state is as it was asked to be.
pub(crate) fn changed(of: Context, done: &Done, tokens: &TokenKey) -> Response {
    noted(StatusCode::NO_CONTENT.into_response(), of, done, tokens)
}

/// What every command that was not refused is answered with, whatever its body.
pub(crate) fn noted(mut response: Response, of: Context, done: &Done, tokens: &TokenKey) -> Response {
    let headers = response.headers_mut();
    headers.insert(ETAG, etag(done.version));
    headers.insert(TOKEN, token(of, done).to_header(tokens));
    if done.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Why a command was not carried out. `field` names the part of the body that a rule is about.
pub(crate) fn refused<E: Refusal>(refused: Refused<E>, field: impl FnOnce(&E) -> Option<&'static str>) -> Problem {
    match refused {
        Refused::Rule(rule) => {
            let problem = Problem::new(status(rule.kind()), rule.code(), format!("{rule}; nothing was changed"));
            match field(&rule) {
                Some(pointer) => problem.at(pointer, rule),
                None => problem,
            }
        }
        Refused::Conflict { expected, actual } => {
            let detail = format!(
                "it has version {actual}, not {expected}, because somebody changed it first; \
                 read it again and repeat with the new ETag if the change still makes sense"
            );
            Problem::new(StatusCode::PRECONDITION_FAILED, "version-conflict", detail).at("If-Match", "not the version")
        }
        Refused::KeyReused => {
            let why = "this key was used for another request; take a new key for a new request";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "idempotency-key-reused", why).at("Idempotency-Key", why)
        }
        Refused::Overloaded => {
            let detail = "more commands wait than can be decided soon; nothing was changed: slow down and repeat";
            Problem::unavailable("overloaded", detail, RETRY_AFTER_S)
        }
        Refused::Unavailable { sent: false } => away(),
        Refused::Unavailable { sent: true } => {
            let detail = "the event store went away while it answered, so that the command may have taken effect; \
                          repeat it with the same Idempotency-Key to find out";
            Problem::unavailable("store-unavailable", detail, RETRY_AFTER_S)
        }
        Refused::Broken(error) => broken(&error),
    }
}

/// What the store says when it is not about a rule.
pub(crate) fn broken(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => away(),
        StoreError::HistoryLost { .. } | StoreError::NotAsSigned { .. } => {
            let detail = "the event store lost its newest events and takes no commands until an operator has recovered \
                          it; what you did last may be gone: look before you repeat it";
            Problem::unavailable("store-lost-events", detail, RETRY_AFTER_LOSS_S)
        }
        StoreError::Closed => {
            Problem::unavailable("shutting-down", "this process ends; repeat the request", RETRY_AFTER_S)
        }
        StoreError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "event-too-large", error.to_string())
        }
        other => Problem::internal(other),
    }
}

/// What the ring of keys says.
pub(crate) fn keyless(error: &KeysError) -> Problem {
    match error {
        KeysError::Unavailable(_) => {
            let detail = "the keys of personal data cannot be reached just now; nothing was changed: repeat it";
            Problem::unavailable("store-unavailable", detail, RETRY_AFTER_S)
        }
        other => Problem::internal(other),
    }
}

fn away() -> Problem {
    let detail = "the event store cannot be reached just now; nothing was changed: repeat the request";
    Problem::unavailable("store-unavailable", detail, RETRY_AFTER_S)
}

/// The status of a refusal.
pub(crate) fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Missing => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Locked => StatusCode::LOCKED,
    }
}
