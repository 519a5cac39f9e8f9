//! The ids in a path.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use std::fmt::Display;
use std::str::FromStr;

use crate::problem::Problem;

/// The one id in a path, such as `/v1/things/{thing}`.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// The two ids in a path, such as `/v1/things/{thing}/parts/{part}`.
#[derive(Clone, Copy, Debug)]
pub struct Path2<T, U>(pub T, pub U);

/// The three ids in a path.
#[derive(Clone, Copy, Debug)]
pub struct Path3<T, U, V>(pub T, pub U, pub V);

impl<S: Send + Sync, T: FromStr<Err: Display>> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = params(parts, state).await?;
        Ok(Self(nth(&params, 0)?))
    }
}

impl<S, T, U> FromRequestParts<S> for Path2<T, U>
where
    S: Send + Sync,
    T: FromStr<Err: Display>,
    U: FromStr<Err: Display>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = params(parts, state).await?;
        Ok(Self(nth(&params, 0)?, nth(&params, 1)?))
    }
}

impl<S, T, U, V> FromRequestParts<S> for Path3<T, U, V>
where
    S: Send + Sync,
    T: FromStr<Err: Display>,
    U: FromStr<Err: Display>,
    V: FromStr<Err: Display>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = params(parts, state).await?;
        Ok(Self(nth(&params, 0)?, nth(&params, 1)?, nth(&params, 2)?))
    }
}

async fn params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, Problem> {
    RawPathParams::from_request_parts(parts, state).await.map_err(|error| Problem::bad_parameter("path", error))
}

/// The ids stand in the order of the path.
fn nth<T: FromStr<Err: Display>>(params: &RawPathParams, index: usize) -> Result<T, Problem> {
    let Some((name, text)) = params.iter().nth(index) else {
        return Err(Problem::internal(&"a route asks for more parameters than its path has"));
    };
    text.parse().map_err(|error| Problem::bad_parameter(name, error))
}
