//! The ids in a path.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use std::fmt::Display;
use std::str::FromStr;

use crate::problem::Problem;

/// The one id in a path, such as `/v1/things/{thing}`.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: FromStr<Err: Display>> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::bad_parameter("path", error))?;
        let Some((name, text)) = params.iter().next() else {
            return Err(Problem::internal(&"a route without a parameter asks for one"));
        };
        text.parse().map(Self).map_err(|error| Problem::bad_parameter(name, error))
    }
}
