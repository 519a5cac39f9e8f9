//! Query parameters, each taken by name; what nobody took is refused.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

use crate::problem::Problem;

const PARAMETERS_MAX: usize = 32;

/// The parameters of a query, in their order.
#[derive(Clone, Debug)]
pub struct Params {
    path: String,
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Params {
    /// Reads `a=1&filter[b]=2`.
    ///
    /// # Errors
    /// A 400 if there are absurdly many, or what is escaped is not UTF-8.
    pub fn parse(path: &str, query: &str) -> Result<Self, Problem> {
        let given: Vec<(String, String)> =
            form_urlencoded::parse(query.as_bytes()).into_owned().take(PARAMETERS_MAX + 1).collect();
        if given.len() > PARAMETERS_MAX {
            let why = format!("there are more than {PARAMETERS_MAX} parameters");
            return Err(Problem::bad_request("bad-parameter", why.clone()).at("?", why));
        }
        for (name, value) in &given {
            if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(Problem::bad_parameter(name, "it is not UTF-8"));
            }
            if value.contains('\0') {
                return Err(Problem::bad_parameter(name, "it holds a zero character"));
            }
        }
        Ok(Self { path: path.to_owned(), given, known: vec![] })
    }

    /// The path they came with, for the link to the next page.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// All of them as they came, but for one.
    pub fn others<'a>(&'a self, but: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.given.iter().filter(move |(name, _)| name != but).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text of a parameter.
    ///
    /// # Errors
    /// A 400 if it is given twice.
    pub fn text(&mut self, name: &'static str) -> Result<Option<&str>, Problem> {
        self.known.push(name);
        let mut values = self.given.iter().filter(|(given, _)| given == name);
        let value = values.next();
        if values.next().is_some() {
            return Err(Problem::bad_parameter(name, "it may be given once"));
        }
        Ok(value.map(|(_, value)| value.as_str()))
    }

    /// A parameter of a type with a text form.
    ///
    /// # Errors
    /// A 400 if it is given twice or cannot be read.
    pub fn take<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Result<Option<T>, Problem> {
        let text = self.text(name)?;
        text.map(|text| text.parse().map_err(|error| Problem::bad_parameter(name, error))).transpose()
    }

    /// Refuses what nobody took: a filter that is misspelt would give everything.
    ///
    /// # Errors
    /// A 400 that names it and says what there is.
    pub fn finish(&self) -> Result<(), Problem> {
        let unknown = self.given.iter().find(|(name, _)| !self.known.contains(&name.as_str()));
        let Some((name, _)) = unknown else { return Ok(()) };
        let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        Err(Problem::bad_parameter(name, format!("it is not known here; there is: {known}")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.path(), parts.uri.query().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
