//! Lists, a page at a time: `?limit=&cursor=` in, `{data, next_cursor, has_more}` and a `Link` out.

use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::Params;
use crate::cursor;
use crate::problem::Problem;
use crate::token::TokenKey;

/// How many rows a page has if nothing is said.
pub const LIMIT_DEFAULT: i64 = 20;
/// How many rows a page has at most.
pub const LIMIT_MAX: i64 = 100;

const CURSOR: &str = "cursor";

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins; send it as `cursor`, with the same filters.
    pub next_cursor: Option<String>,
    /// Whether there are more rows.
    pub has_more: bool,
}

/// Which page is asked for. `P` is the place of a row in the list's order.
#[derive(Debug)]
pub struct PageRequest<P> {
    limit: i64,
    after: Option<P>,
    scope: String,
    path: String,
    others: Vec<(String, String)>,
}

impl<P: Serialize + DeserializeOwned> PageRequest<P> {
    /// Reads `limit` and `cursor`, after all filters were taken, and refuses what else came.
    ///
    /// # Errors
    /// A 400 that names the parameter.
    pub fn read(params: &mut Params, key: &TokenKey) -> Result<Self, Problem> {
        let limit = match params.take::<i64>("limit")? {
            None => LIMIT_DEFAULT,
            Some(limit) if (1..=LIMIT_MAX).contains(&limit) => limit,
            Some(_) => return Err(Problem::bad_parameter("limit", format!("it is 1 to {LIMIT_MAX}"))),
        };
        let text = params.text(CURSOR)?.map(str::to_owned);
        params.finish()?;
        let mut filters: Vec<_> = params.others(CURSOR).filter(|(name, _)| *name != "limit").collect();
        filters.sort_unstable();
        let scope = format!("{} {filters:?}", params.path());
        let after = text.map(|text| cursor::decode(key, &scope, &text)).transpose()?;
        let others = params.others(CURSOR).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { limit, after, scope, path: params.path().to_owned(), others })
    }

    /// The place after which the page begins.
    #[must_use]
    pub fn after(&self) -> Option<&P> {
        self.after.as_ref()
    }

    /// How many rows the page has at most.
    #[must_use]
    pub fn limit(&self) -> i64 {
        self.limit
    }

    /// How many rows to fetch: one more than the page has, to know whether there are more.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// Makes the page of the rows fetched.
    pub fn page<T>(self, key: &TokenKey, mut rows: Vec<T>, place: impl FnOnce(&T) -> P) -> SealedPage<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = if has_more { rows.last().map(place) } else { None };
        self.page_to(key, rows, next, has_more)
    }

    /// Makes a page that ends where the caller says. A list that grows at its end has a place also after the last page.
    pub fn page_to<T>(self, key: &TokenKey, data: Vec<T>, next: Option<P>, has_more: bool) -> SealedPage<T> {
        let next_cursor = next.map(|place| cursor::encode(key, &self.scope, &place));
        let link = next_cursor.as_ref().filter(|_| has_more).map(|cursor| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(&self.others).append_pair(CURSOR, cursor);
            format!("<{}?{}>; rel=\"next\"", self.path, query.finish())
        });
        SealedPage { page: Page { data, next_cursor, has_more }, link }
    }
}

/// A page with the link to the next one.
#[derive(Debug)]
pub struct SealedPage<T> {
    /// The body.
    pub page: Page<T>,
    link: Option<String>,
}

impl<T> SealedPage<T> {
    /// The answer whose body has more to say than the page, with the same link.
    pub fn within<B: Serialize>(self, body: impl FnOnce(Page<T>) -> B) -> Response {
        let mut response = axum::Json(body(self.page)).into_response();
        if let Some(link) = self.link.and_then(|link| HeaderValue::try_from(link).ok()) {
            response.headers_mut().insert(LINK, link);
        }
        response
    }
}

impl<T: Serialize> IntoResponse for SealedPage<T> {
    fn into_response(self) -> Response {
        self.within(|page| page)
    }
}

#[cfg(test)]
mod tests;
