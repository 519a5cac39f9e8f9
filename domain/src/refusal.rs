//! How a rule says no. The edge turns a kind into a status; nothing here knows of HTTP.

/// What sort of no it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command makes no sense, whatever the state.
    Invalid,
    /// Somebody else may, the one who asks may not.
    Forbidden,
    /// It asks for something that is not there.
    Missing,
    /// It does not fit what has happened before.
    Conflict,
    /// Somebody else has it in their hands for a while.
    Locked,
}

/// A reason why a command was not carried out.
pub trait Refusal: std::error::Error {
    /// What sort of no it is.
    fn kind(&self) -> Kind;
    /// Names the reason to programs: `order-exists`. Part of the API, it never changes.
    fn code(&self) -> &'static str;
}
