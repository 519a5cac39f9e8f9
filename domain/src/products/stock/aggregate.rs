//! Pieces come in, are kept for somebody, and are sold or free again; never are more of them promised than are there.

use std::collections::{BTreeMap, VecDeque};

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use envelope::Timestamp;
use event_schemas::ids::ReservationId;
use event_schemas::products::StockEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FINISHED_MAX, ON_HAND_MAX, OPEN_MAX, QUANTITY_MAX, RESERVATION_DAYS_MAX, StockCommand, StockError};
use crate::Folded;
use crate::products::is_ahead;
use crate::text::is_reason;

/// Holds only what `decide` asks about. Which variant it is of says its id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Stock {
    /// Nothing ever came in.
    #[default]
    Absent,
    /// Something came in, though perhaps nothing is left.
    Counted(Pieces),
}

/// How many pieces there are, and for whom. `0 <= reserved <= on_hand`, and `reserved` is the sum of what is open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pieces {
    /// How many there are.
    pub on_hand: i64,
    /// How many of them are kept for somebody.
    pub reserved: i64,
    /// By whom they are kept.
    pub open: BTreeMap<ReservationId, Held>,
    /// Reservations that have acted, the newest last; see [`FINISHED_MAX`].
    pub finished: VecDeque<Finished>,
}

/// Pieces that are kept for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// How many.
    pub quantity: i64,
    /// Until when they should be taken.
    pub until: Timestamp,
}

/// A reservation that has acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finished {
    /// Which one.
    pub reservation: ReservationId,
    /// Its pieces were sold, not given back.
    pub committed: bool,
}

impl Stock {
    /// Every rule is a row: a state, a command, and what follows from them.
    ///
    /// # Errors
    /// The reason why nothing follows.
    pub fn decide(&self, command: StockCommand) -> Result<Vec<StockEvent>, StockError> {
        use StockCommand::{Adjust, Commit, Lapse, Receive, Release, Reserve};
        let none = Pieces::default();
        match (self, command) {
            (_, Receive { quantity, .. } | Reserve { quantity, .. }) if !(1..=QUANTITY_MAX).contains(&quantity) => {
                Err(StockError::BadQuantity)
            }
            (_, Adjust { change, .. }) if change == 0 || !(-QUANTITY_MAX..=QUANTITY_MAX).contains(&change) => {
                Err(StockError::BadChange)
            }
            (_, Adjust { reason, .. }) if !is_reason(&reason) => Err(StockError::BadReason),
            (_, Receive { product, sku, quantity }) => {
                self.pieces().unwrap_or(&none).moved(quantity)?;
                Ok(vec![StockEvent::StockReceived { product, sku, quantity }])
            }
            (Self::Absent, Adjust { .. } | Reserve { .. } | Release { .. } | Commit { .. }) => {
                Err(StockError::NotFound)
            }
            (Self::Absent, Lapse { .. }) => Ok(vec![]),
            (Self::Counted(pieces), Adjust { change, reason }) => {
                pieces.moved(change)?;
                Ok(vec![StockEvent::StockAdjusted { change, reason }])
            }
            (Self::Counted(pieces), Reserve { reservation, quantity, until, at }) => {
                pieces.reserve(reservation, Held { quantity, until }, at)
            }
            (Self::Counted(pieces), Release { reservation }) => pieces.release(reservation),
            (Self::Counted(pieces), Commit { reservation }) => pieces.commit(reservation),
            (Self::Counted(pieces), Lapse { reservation }) => Ok(pieces.lapse(reservation)),
        }
    }

    /// What happened is never refused: no rule, no error, no clock. Sums stay in range whatever the events say.
    pub fn evolve(&mut self, event: StockEvent) {
        if let Self::Absent = self {
            *self = Self::Counted(Pieces::default());
        }
        let Self::Counted(pieces) = self else { return };
        match event {
            StockEvent::StockReceived { quantity, .. } => pieces.on_hand = pieces.on_hand.saturating_add(quantity),
            StockEvent::StockAdjusted { change, .. } => pieces.on_hand = pieces.on_hand.saturating_add(change),
            StockEvent::StockReserved { reservation, quantity, until } => {
                pieces.reserved = pieces.reserved.saturating_add(quantity);
                pieces.open.insert(reservation, Held { quantity, until });
            }
            StockEvent::StockReleased { reservation, quantity } => pieces.finish(reservation, quantity, false),
            StockEvent::StockCommitted { reservation, quantity } => {
                pieces.on_hand = pieces.on_hand.saturating_sub(quantity);
                pieces.finish(reservation, quantity, true);
            }
        }
    }

    /// How many pieces there are and for whom; `None` if nothing ever came in.
    #[must_use]
    pub fn pieces(&self) -> Option<&Pieces> {
        match self {
            Self::Absent => None,
            Self::Counted(pieces) => Some(pieces),
        }
    }
}

impl Pieces {
    /// How many there would be.
    fn moved(&self, change: i64) -> Result<i64, StockError> {
        let on_hand = self.on_hand.checked_add(change).filter(|sum| *sum <= ON_HAND_MAX).ok_or(StockError::Full)?;
        if on_hand < self.reserved {
            return Err(StockError::BelowReserved { reserved: self.reserved });
        }
        Ok(on_hand)
    }

    fn reserve(&self, reservation: ReservationId, wanted: Held, at: Timestamp) -> Result<Vec<StockEvent>, StockError> {
        if let Some(held) = self.open.get(&reservation) {
            return if *held == wanted { Ok(vec![]) } else { Err(StockError::AlreadyReserved) };
        }
        if self.finished(reservation).is_some() {
            return Err(StockError::AlreadyFinished);
        }
        if !is_ahead(at, wanted.until, RESERVATION_DAYS_MAX * 24) {
            return Err(StockError::BadEnd);
        }
        let available = self.on_hand.saturating_sub(self.reserved);
        if available < wanted.quantity {
            return Err(StockError::NotEnough { available });
        }
        if self.open.len() >= OPEN_MAX {
            return Err(StockError::TooManyOpen);
        }
        Ok(vec![StockEvent::StockReserved { reservation, quantity: wanted.quantity, until: wanted.until }])
    }

    fn release(&self, reservation: ReservationId) -> Result<Vec<StockEvent>, StockError> {
        match (self.open.get(&reservation), self.finished(reservation)) {
            (Some(held), _) => Ok(vec![StockEvent::StockReleased { reservation, quantity: held.quantity }]),
            (None, Some(Finished { committed: false, .. })) => Ok(vec![]),
            (None, Some(Finished { committed: true, .. })) => Err(StockError::AlreadyCommitted),
            (None, None) => Err(StockError::NoReservation),
        }
    }

    fn lapse(&self, reservation: ReservationId) -> Vec<StockEvent> {
        let held = self.open.get(&reservation);
        held.map(|held| StockEvent::StockReleased { reservation, quantity: held.quantity }).into_iter().collect()
    }

    fn commit(&self, reservation: ReservationId) -> Result<Vec<StockEvent>, StockError> {
        match (self.open.get(&reservation), self.finished(reservation)) {
            (Some(held), _) => Ok(vec![StockEvent::StockCommitted { reservation, quantity: held.quantity }]),
            (None, Some(Finished { committed: true, .. })) => Ok(vec![]),
            (None, Some(Finished { committed: false, .. })) => Err(StockError::AlreadyReleased),
            (None, None) => Err(StockError::NoReservation),
        }
    }

    /// The newest are the likeliest to be asked for again.
    fn finished(&self, reservation: ReservationId) -> Option<&Finished> {
        self.finished.iter().rev().find(|finished| finished.reservation == reservation)
    }

    fn finish(&mut self, reservation: ReservationId, quantity: i64, committed: bool) {
        self.reserved = self.reserved.saturating_sub(quantity);
        self.open.remove(&reservation);
        if self.finished.len() >= FINISHED_MAX {
            self.finished.pop_front();
        }
        self.finished.push_back(Finished { reservation, committed });
    }
}

impl Folded for Stock {
    const FOLD: u32 = 1;
}

impl Aggregate for Stock {
    const TYPE: &'static str = "stock";
    type Command = StockCommand;
    type Event = StockEvent;
    type Error = StockError;
    type Services = ();

    async fn handle(&mut self, ask: StockCommand, _: &(), sink: &EventSink<Self>) -> Result<(), StockError> {
        for event in self.decide(ask)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: StockEvent) {
        self.evolve(event);
    }
}
