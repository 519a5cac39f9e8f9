//! The API as a client meets it: commands in, views out, and a problem for everything that is wrong.

mod attacks;
mod following;
mod growing;
mod journeys;
mod malformed;
mod openapi;
mod parked;
mod patch;
mod waiting;
pub(crate) mod world;
