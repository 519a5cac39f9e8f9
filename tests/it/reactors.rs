//! Policies at work: what they note and send, whatever is killed, refused, cut off or begun anew.

mod again;
mod fulfilment;
mod mailing;
mod outage;
mod paying;
mod post;
mod racing;
mod world;
