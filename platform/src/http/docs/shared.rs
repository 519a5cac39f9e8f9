//! What operations have in common: described here once. An operation names what it takes and answers; what every one
//! takes and answers is added.

use serde_json::json;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::{Components, Object, ObjectBuilder, OpenApi, Ref, RefOr, Required, Type};

use crate::http::{LIMIT_DEFAULT, LIMIT_MAX};

const TOKEN: &str = "Consistency-Token";
const REQUEST_ID: &str = "X-Request-Id";
const RETRY_AFTER: &str = "Retry-After";
const WARNING: &str = "Warning";

const LIMIT: &str = "limit";

/// Headers that every operation takes.
const TAKEN_BY_ALL: [&str; 3] = ["Handsel-Caller", "traceparent", REQUEST_ID];

/// Parameters that operations share: place, name, meaning, example.
const PARAMETERS: [(ParameterIn, &str, &str, Option<&str>); 7] = [
    (
        ParameterIn::Header,
        "Handsel-Caller",
        "Who asks: an account or a name, and perhaps roles. Without it the caller is anonymous.",
        Some("ana;roles=support,finance"),
    ),
    (
        ParameterIn::Header,
        "traceparent",
        "The trace that this request belongs to, as W3C Trace Context has it.",
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ),
    (ParameterIn::Header, REQUEST_ID, "Names this request in causes, logs and the answer.", Some("my-request-17")),
    (ParameterIn::Header, TOKEN, "As a command answered it: waits until the answer shows what it did.", None),
    (ParameterIn::Header, "If-None-Match", "The ETag that you have: 304 if it is still so.", Some("\"1\"")),
    (ParameterIn::Query, LIMIT, "How many rows at most.", None),
    (ParameterIn::Query, "cursor", "`next_cursor` of the page before.", None),
];

/// Headers of answers: name, meaning, example.
const HEADERS: [(&str, &str, &str); 8] = [
    ("ETag", "The version of what was asked for; send it back in If-Match or If-None-Match.", "\"1\""),
    ("Location", "Where it is read.", "/v1/things/018f4e7a-0000-7000-8000-000000000001"),
    (TOKEN, "Send it with a query to see in its answer what this command did.", "AQZ0aGluZ3MAAAAA"),
    ("Idempotent-Replayed", "`true`: this is the answer to an earlier request with the same Idempotency-Key.", "true"),
    ("Link", "The next page, if there is one.", "</v1/things?cursor=eyJ0IjoxfQ>; rel=\"next\""),
    (RETRY_AFTER, "With 503: after how many seconds a repeat may help.", "1"),
    (
        WARNING,
        "The token is of another history of the store, which lost events: what you did may be gone.",
        "299 handsel \"the token is of another history of the store\"",
    ),
    (REQUEST_ID, "What this request is called in causes and logs: as it came, or as we call it.", "my-request-17"),
];

/// Fills in what is described here where operations name it, and adds what belongs to all of them.
pub(super) fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    describe(components);
    let known = |name: &str| components.parameters.contains_key(name);
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let parameters = operation.parameters.get_or_insert_default();
        let waits = parameters.iter().any(|one| name(one) == TOKEN);
        for one in parameters.iter_mut().filter(|one| known(name(one))) {
            *one = reference("parameters", name(one));
        }
        parameters.extend(TAKEN_BY_ALL.map(|name| reference("parameters", name)));
        answers(operation, waits, &components.headers.keys().cloned().collect::<Vec<_>>());
    }
}

fn answers(operation: &mut Operation, waits: bool, known: &[String]) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let own: Vec<String> = response.headers.keys().filter(|name| known.contains(name)).cloned().collect();
        let problem = (status == "default").then_some(RETRY_AFTER);
        let foreign = waits.then_some(WARNING);
        let common = [REQUEST_ID].into_iter().chain(problem).chain(foreign).map(str::to_owned);
        for name in own.into_iter().chain(common) {
            response.headers.insert(name.clone(), reference("headers", &name));
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn name(parameter: &RefOr<Parameter>) -> &str {
    match parameter {
        RefOr::T(parameter) => &parameter.name,
        RefOr::Ref(_) => "",
    }
}

fn reference<T>(kind: &str, name: &str) -> RefOr<T> {
    RefOr::Ref(Ref::new(format!("#/components/{kind}/{name}")))
}

fn describe(components: &mut Components) {
    for (place, name, description, example) in PARAMETERS {
        let described = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(if name == LIMIT { limit() } else { Object::with_type(Type::String) }))
            .example(example.map(|example| json!(example)))
            .build();
        components.parameters.insert(name.to_owned(), described.into());
    }
    for (name, description, example) in HEADERS {
        let mut described = Header::default();
        described.description = Some(description.to_owned());
        described.example = Some(json!(example));
        components.headers.insert(name.to_owned(), described.into());
    }
}

fn limit() -> Object {
    let whole = ObjectBuilder::new().schema_type(Type::Integer);
    whole.minimum(Some(1)).maximum(Some(LIMIT_MAX)).default(Some(json!(LIMIT_DEFAULT))).build()
}
