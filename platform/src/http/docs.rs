//! The documentation that the program serves about itself: `/openapi.json`, and `/docs`, a page of ours that shows it
//! and sends requests, without a script from elsewhere, so that it works offline.

mod shared;

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::info::License;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, Paths};

use super::Path;
use crate::problem::{COMMON, Explanation, FieldError, ProblemBody};

const PAGE: &str = include_str!("docs/page.html");
const STYLE: &str = include_str!("docs/page.css");
const SCRIPT: &str = include_str!("docs/page.js");
/// The page's own style and script are within it; nothing else may be loaded, and requests go only where it came from.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes that describe an API and explain its problems, besides those that every API here may answer.
///
/// # Errors
/// If the document cannot be written as JSON.
pub fn routes(
    document: &OpenApi,
    problems: impl IntoIterator<Item = Explanation>,
) -> Result<Router, serde_json::Error> {
    let text = Bytes::from(pretty(document)?);
    let problems = explained(problems)?;
    let parts = [("/*style*/", STYLE), ("/*problems*/", &problems), ("/*script*/", SCRIPT)];
    let page = parts.iter().fold(PAGE.to_owned(), |page, (mark, part)| page.replace(mark, part));
    let page = ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)], Bytes::from(page));
    let document = ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], text);
    Ok(Router::new()
        .route("/docs", get(async move || page.into_response()))
        .route("/openapi.json", get(async move || document.into_response()))
        .route("/problems/{code}", get(problem)))
}

/// The routes of JSON Schemas, each under its path.
pub fn schemas(all: impl IntoIterator<Item = (String, String)>) -> Router {
    all.into_iter().fold(Router::new(), |routes, (path, text)| {
        let headers = [(CONTENT_TYPE, "application/schema+json"), (CACHE_CONTROL, "no-cache")];
        let answer = (headers, Bytes::from(text));
        routes.route(&path, get(async move || answer.into_response()))
    })
}

/// What problems mean, by code, as the page reads it.
fn explained(problems: impl IntoIterator<Item = Explanation>) -> Result<String, serde_json::Error> {
    let all = COMMON.iter().copied().chain(problems);
    let by_code: BTreeMap<_, _> = all.map(|one| (one.code, (one.status, one.meaning))).collect();
    // Within a script element nothing may look like its end.
    serde_json::to_string(&by_code).map(|text| text.replace('<', "\\u003c"))
}

/// Makes one document of those of several parts, with what all operations have in common.
#[must_use]
pub fn merged(title: &str, version: &str, parts: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let info = InfoBuilder::new().title(title).version(version).license(Some(License::new("Apache-2.0"))).build();
    let mut document = OpenApi::new(info, Paths::new());
    document.components =
        Some(ComponentsBuilder::new().schema_from::<FieldError>().schema_from::<ProblemBody<'static>>().build());
    for part in parts {
        document.merge(part);
    }
    shared::complete(&mut document);
    document
}

/// The document as it is served and committed.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn pretty(document: &OpenApi) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(document).map(|text| text + "\n")
}

/// The type of a problem leads to its explanation.
async fn problem(Path(code): Path<String>) -> Redirect {
    let known: String = code.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').collect();
    Redirect::temporary(&format!("/docs#problem/{known}"))
}
