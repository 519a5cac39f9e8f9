//! Read models on a real Postgres: what they show, and that they show it whatever happens to the topic or the runner.

mod feeding;
mod holding;
mod losing;
mod offsets;
mod parking;
mod payments;
mod products;
mod read_models;
mod rebuilding;
mod running;
mod struggling;
mod topic;
mod world;
