//! Any event of any context, decoded.

use envelope::tagged;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::identity::AccountEvent;
use crate::orders::OrderEvent;
use crate::payments::PaymentEvent;
use crate::products::{ProductEvent, ReservationEvent, StockEvent};
use crate::upcast::steps;
use crate::{Context, UnknownContext};

/// What happened, in whichever context.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Something in `identity`.
    Identity(AccountEvent),
    /// Something in `orders`.
    Orders(OrderEvent),
    /// Something in `products`, to a product.
    Products(ProductEvent),
    /// Something in `products`, to what an order has reserved.
    Reservation(ReservationEvent),
    /// Something in `products`, to the stock of a variant.
    Stock(StockEvent),
    /// Something in `payments`.
    Payments(PaymentEvent),
}

/// Why an event could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The context itself is unknown.
    #[error(transparent)]
    Context(#[from] UnknownContext),
    /// No event of that name exists here.
    #[error("this program knows no event `{event_type}` in {context}; it was written by a newer one: update this one")]
    UnknownType {
        /// The context it came from.
        context: Context,
        /// The name it came under.
        event_type: String,
    },
    /// The event exists, but not in that version.
    #[error(
        "this program reads `{event_type}` up to version {newest}, not `{event_version}`; \
         it was written by a newer one: update this one"
    )]
    UnknownVersion {
        /// The name it came under.
        event_type: String,
        /// The version it came in.
        event_version: String,
        /// The newest version known here.
        newest: u32,
    },
    /// Its fields are not what its version says.
    #[error("the fields of `{event_type}` version {event_version} cannot be read")]
    Fields {
        /// The name it came under.
        event_type: String,
        /// The version it came in.
        event_version: String,
        /// Where and why.
        source: serde_json::Error,
    },
}

impl Event {
    /// Decodes the fields of an event, also of one in an old version.
    ///
    /// # Errors
    /// [`DecodeError`] says which event it was and what is wrong with it.
    pub fn decode(context: Context, event_type: &str, event_version: &str, payload: &str) -> Result<Self, DecodeError> {
        let stored = Stored { context, event_type, event_version, payload };
        match context {
            Context::Identity => stored.decode(AccountEvent::VERSIONS).map(Self::Identity),
            Context::Orders => stored.decode(OrderEvent::VERSIONS).map(Self::Orders),
            Context::Products if stored.is_one_of(StockEvent::VERSIONS) => {
                stored.decode(StockEvent::VERSIONS).map(Self::Stock)
            }
            Context::Products if stored.is_one_of(ReservationEvent::VERSIONS) => {
                stored.decode(ReservationEvent::VERSIONS).map(Self::Reservation)
            }
            Context::Products => stored.decode(ProductEvent::VERSIONS).map(Self::Products),
            Context::Payments => stored.decode(PaymentEvent::VERSIONS).map(Self::Payments),
        }
    }

    /// The context it happened in.
    #[must_use]
    pub const fn context(&self) -> Context {
        match self {
            Self::Identity(_) => Context::Identity,
            Self::Orders(_) => Context::Orders,
            Self::Products(_) | Self::Reservation(_) | Self::Stock(_) => Context::Products,
            Self::Payments(_) => Context::Payments,
        }
    }

    /// The name it is stored and published under.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Identity(event) => event.name(),
            Self::Orders(event) => event.name(),
            Self::Products(event) => event.name(),
            Self::Reservation(event) => event.name(),
            Self::Stock(event) => event.name(),
            Self::Payments(event) => event.name(),
        }
    }

    /// The current version of its shape.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        match self {
            Self::Identity(event) => event.version(),
            Self::Orders(event) => event.version(),
            Self::Products(event) => event.version(),
            Self::Reservation(event) => event.version(),
            Self::Stock(event) => event.version(),
            Self::Payments(event) => event.version(),
        }
    }

    /// Its fields as they are stored and published.
    ///
    /// # Errors
    /// What serde says, for data that JSON cannot hold.
    pub fn fields(&self) -> serde_json::Result<String> {
        match self {
            Self::Identity(event) => tagged::write(event),
            Self::Orders(event) => tagged::write(event),
            Self::Products(event) => tagged::write(event),
            Self::Reservation(event) => tagged::write(event),
            Self::Stock(event) => tagged::write(event),
            Self::Payments(event) => tagged::write(event),
        }
    }
}

impl From<AccountEvent> for Event {
    fn from(event: AccountEvent) -> Self {
        Self::Identity(event)
    }
}

impl From<OrderEvent> for Event {
    fn from(event: OrderEvent) -> Self {
        Self::Orders(event)
    }
}

impl From<ProductEvent> for Event {
    fn from(event: ProductEvent) -> Self {
        Self::Products(event)
    }
}

impl From<ReservationEvent> for Event {
    fn from(event: ReservationEvent) -> Self {
        Self::Reservation(event)
    }
}

impl From<StockEvent> for Event {
    fn from(event: StockEvent) -> Self {
        Self::Stock(event)
    }
}

impl From<PaymentEvent> for Event {
    fn from(event: PaymentEvent) -> Self {
        Self::Payments(event)
    }
}

/// An event as it was stored.
struct Stored<'a> {
    context: Context,
    event_type: &'a str,
    event_version: &'a str,
    payload: &'a str,
}

impl Stored<'_> {
    /// Whether it is told apart by its name from what else happens in its context.
    fn is_one_of(&self, known: &[(&str, u32)]) -> bool {
        known.iter().any(|(name, _)| *name == self.event_type)
    }

    fn decode<E: DeserializeOwned>(&self, known: &[(&str, u32)]) -> Result<E, DecodeError> {
        let Some(&(_, newest)) = known.iter().find(|(name, _)| *name == self.event_type) else {
            return Err(DecodeError::UnknownType { context: self.context, event_type: self.event_type.to_owned() });
        };
        let read = match self.event_version.parse() {
            Ok(version) if version == newest => tagged::read_str(self.event_type, self.payload),
            Ok(version) if (1..newest).contains(&version) => self.upcast(version),
            _ => {
                return Err(DecodeError::UnknownVersion {
                    event_type: self.event_type.to_owned(),
                    event_version: self.event_version.to_owned(),
                    newest,
                });
            }
        };
        read.map_err(|source| DecodeError::Fields {
            event_type: self.event_type.to_owned(),
            event_version: self.event_version.to_owned(),
            source,
        })
    }

    fn upcast<E: DeserializeOwned>(&self, version: u32) -> serde_json::Result<E> {
        let mut fields: Value = serde_json::from_str(self.payload)?;
        let mut reached = version;
        for step in steps(self.context).iter().filter(|step| step.event_type == self.event_type) {
            if step.from == reached {
                fields = (step.fields)(fields);
                reached += 1;
            }
        }
        tagged::read(self.event_type, fields)
    }
}

#[cfg(test)]
mod tests;
