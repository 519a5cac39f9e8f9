//! What follows from events outside of the stores: effects such as a charge, each asked for once.

pub mod payments;
