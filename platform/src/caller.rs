//! Who asks. The one place where callers are established.
//!
//! Until there is sign-in, a caller says in a header who it is, which is fit for loopback only:
//! `Handsel-Caller: <account or name>;roles=support,finance`. Without the header the caller is anonymous. A bearer
//! token is accepted and not looked at.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::problem::Problem;

/// The header by which a caller says who it is.
pub const HEADER: &str = "handsel-caller";
/// How callers are called who do not say.
pub const ANONYMOUS: &str = "anonymous";

const NAME_CHARS_MAX: usize = 128;
const ROLES_MAX: usize = 16;
/// The namespace of everything derived from a caller's own keys; for ever the same.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1f_0d1c_52c4_5f5e_9d0c_8b3b_2b7c_1e4a);

/// Who asks, and in which roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    name: Cow<'static, str>,
    roles: Vec<String>,
}

impl Caller {
    /// Somebody who did not say who they are.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: Cow::Borrowed(ANONYMOUS), roles: vec![] }
    }

    /// The account or name, as it stands in the cause of events.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nobody said who asks.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS
    }

    /// In which roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The id that always follows from this caller and its key, so that a repeated request meets the same thing.
    #[must_use]
    pub fn derive(&self, key: &str) -> Uuid {
        Uuid::new_v5(&Uuid::new_v5(&NAMESPACE, self.name.as_bytes()), key.as_bytes())
    }

    fn parse(value: &str) -> Result<Self, &'static str> {
        let mut parts = value.split(';');
        let name = word(parts.next().unwrap_or_default(), NAME_CHARS_MAX)
            .ok_or("it begins with an account or name of at most 128 letters, digits and . _ : @ -")?;
        let mut roles = vec![];
        for part in parts {
            let Some(list) = part.trim().strip_prefix("roles=") else {
                return Err("after the name only `roles=a,b` may follow");
            };
            for role in list.split(',') {
                roles.push(word(role, NAME_CHARS_MAX).ok_or("a role is a word of letters, digits and . _ : @ -")?);
            }
        }
        if roles.len() > ROLES_MAX {
            return Err("it names more than 16 roles");
        }
        Ok(Self { name: Cow::Owned(name), roles })
    }
}

fn word(text: &str, chars_max: usize) -> Option<String> {
    let text = text.trim();
    let fits = (1..=chars_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte));
    fits.then(|| text.to_owned())
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(Self::anonymous()) };
        if values.next().is_some() {
            return Err(Problem::bad_parameter("Handsel-Caller", "it may be given once"));
        }
        let value = value.to_str().map_err(|_| Problem::bad_parameter("Handsel-Caller", "it is not plain ASCII"))?;
        Self::parse(value).map_err(|why| Problem::bad_parameter("Handsel-Caller", why))
    }
}

#[cfg(test)]
mod tests;
