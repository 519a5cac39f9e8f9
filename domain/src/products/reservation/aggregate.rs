//! All lines of an order are kept for it, or none; later they are sold or free again, once.

use std::collections::BTreeSet;

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use envelope::Timestamp;
use event_schemas::ids::OrderId;
use event_schemas::products::{DeclineReason, ReservationEvent, ReservedLine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RESERVED_LINES_MAX, ReservationCommand, ReservationError};
use crate::Folded;

/// Holds what `decide` asks about, and the lines, because whoever releases or commits has to ask the stock of each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Reservation {
    /// Nothing was asked for under this id.
    #[default]
    Absent,
    /// It cannot be had.
    Declined(DeclineReason),
    /// The pieces are kept.
    Made(Kept),
    /// They were given back.
    Released(Kept),
    /// They were sold.
    Committed(Kept),
}

/// What is kept, or was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// For which order.
    pub order: OrderId,
    /// What, each variant once.
    pub lines: Vec<ReservedLine>,
    /// Until when it should be taken.
    pub until: Timestamp,
}

impl Reservation {
    /// Every rule is a row: a state, a command, and what follows from them.
    ///
    /// # Errors
    /// The reason why nothing follows.
    pub fn decide(&self, command: ReservationCommand) -> Result<Vec<ReservationEvent>, ReservationError> {
        use ReservationCommand::{Commit, Decline, Make, Release};
        match (self, command) {
            (_, Make { lines, .. }) if !are_lines(&lines) => Err(ReservationError::BadLines),
            (Self::Absent, Make { reservation, order, lines, until }) => {
                Ok(vec![ReservationEvent::ReservationMade { reservation, order, lines, until }])
            }
            (Self::Made(kept) | Self::Committed(kept), Make { order, lines, .. }) => {
                // Whoever repeats it reckons the end anew.
                let same = (kept.order, &kept.lines) == (order, &lines);
                if same { Ok(vec![]) } else { Err(ReservationError::AlreadyMade) }
            }
            (Self::Declined(_), Make { .. }) => Err(ReservationError::Declined),
            (Self::Released(_), Make { .. } | Commit) => Err(ReservationError::Released),
            (Self::Absent, Decline { reservation, order, reason, lines }) => {
                Ok(vec![ReservationEvent::ReservationDeclined { reservation, order, reason, lines }])
            }
            (Self::Declined(_) | Self::Made(_) | Self::Released(_) | Self::Committed(_), Decline { .. })
            | (Self::Absent | Self::Declined(_) | Self::Released(_), Release)
            | (Self::Committed(_), Commit) => Ok(vec![]),
            (Self::Made(_), Release) => Ok(vec![ReservationEvent::ReservationReleased {}]),
            (Self::Committed(_), Release) => Err(ReservationError::Committed),
            (Self::Made(_), Commit) => Ok(vec![ReservationEvent::ReservationCommitted {}]),
            (Self::Absent | Self::Declined(_), Commit) => Err(ReservationError::NotFound),
        }
    }

    /// What happened is never refused: no rule, no error, no clock.
    pub fn evolve(&mut self, event: ReservationEvent) {
        *self = match (std::mem::take(self), event) {
            (_, ReservationEvent::ReservationMade { order, lines, until, .. }) => {
                Self::Made(Kept { order, lines, until })
            }
            (_, ReservationEvent::ReservationDeclined { reason, .. }) => Self::Declined(reason),
            (
                Self::Made(kept) | Self::Released(kept) | Self::Committed(kept),
                ReservationEvent::ReservationReleased {},
            ) => Self::Released(kept),
            (
                Self::Made(kept) | Self::Released(kept) | Self::Committed(kept),
                ReservationEvent::ReservationCommitted {},
            ) => Self::Committed(kept),
            (
                nothing @ (Self::Absent | Self::Declined(_)),
                ReservationEvent::ReservationReleased {} | ReservationEvent::ReservationCommitted {},
            ) => nothing,
        };
    }

    /// The lines whose stock is asked with it, as far as it has any.
    #[must_use]
    pub fn lines(&self) -> &[ReservedLine] {
        match self {
            Self::Made(kept) | Self::Released(kept) | Self::Committed(kept) => &kept.lines,
            Self::Absent | Self::Declined(_) => &[],
        }
    }
}

fn are_lines(lines: &[ReservedLine]) -> bool {
    let variants: BTreeSet<_> = lines.iter().map(|line| (line.product, &line.sku)).collect();
    (1..=RESERVED_LINES_MAX).contains(&lines.len()) && variants.len() == lines.len()
}

impl Folded for Reservation {
    const FOLD: u32 = 1;
}

impl Aggregate for Reservation {
    const TYPE: &'static str = "reservation";
    type Command = ReservationCommand;
    type Event = ReservationEvent;
    type Error = ReservationError;
    type Services = ();

    async fn handle(
        &mut self,
        ask: ReservationCommand,
        _: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ReservationError> {
        for event in self.decide(ask)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: ReservationEvent) {
        self.evolve(event);
    }
}
