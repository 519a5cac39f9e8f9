//! The one list of contexts.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Partitions of every events topic. Another number is another version of the topic, because it moves keys.
pub const PARTITIONS: i32 = 6;

/// A part of the market with its own store, topic and language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// Who people are.
    Identity,
    /// What was bought.
    Orders,
    /// What is sold, and how much of it is there.
    Products,
    /// How it is paid.
    Payments,
}

/// There is no context of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no context `{0}`; there are: {known}", known = Context::ALL.map(Context::name).join(", "))]
pub struct UnknownContext(pub String);

impl Context {
    /// Every context there is.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Orders, Self::Products, Self::Payments];

    /// Its name everywhere: in folders, schemas, headers and addresses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Orders => "orders",
            Self::Products => "products",
            Self::Payments => "payments",
        }
    }

    /// Where its events are published.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Identity => "handsel.identity.events.v1",
            Self::Orders => "handsel.orders.events.v1",
            Self::Products => "handsel.products.events.v1",
            Self::Payments => "handsel.payments.events.v1",
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Context {
    type Err = UnknownContext;

    fn from_str(name: &str) -> Result<Self, UnknownContext> {
        Self::ALL.into_iter().find(|context| context.name() == name).ok_or_else(|| UnknownContext(name.to_owned()))
    }
}
