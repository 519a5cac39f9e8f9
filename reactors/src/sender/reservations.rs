//! The reservation of an order goes as one over its aggregate, its products and their stock: all of it or nothing.

use domain::policies::{ReservationAsk, WantedLine};
use domain::products::{
    ProductError, RESERVATION_DAYS_MAX, Reservation, ReservationCommand, ReservationError, StockCommand, StockError,
};
use envelope::Timestamp;
use event_schemas::ids::{OrderId, ReservationId};
use event_schemas::products::{DeclineReason, ReservedLine};
use event_store::{Ask, Done, IdempotencyKey, Refused, StoreError};
use platform::clock;

use super::{Sender, Sent, broken, sent};

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// Why a reservation was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum NotKept {
    #[error(transparent)]
    Product(#[from] ProductError),
    #[error(transparent)]
    Reservation(#[from] ReservationError),
    #[error(transparent)]
    Stock(#[from] StockError),
}

impl NotKept {
    /// What whoever ordered is told; `None` if it is nothing that happens in trade.
    fn reason(&self) -> Option<DeclineReason> {
        match self {
            Self::Product(ProductError::PriceChanged { .. }) => Some(DeclineReason::PriceChanged),
            Self::Product(ProductError::NotForSale | ProductError::NotFound | ProductError::NoSuchVariant) => {
                Some(DeclineReason::NotForSale)
            }
            // Also where it was reserved, declined or given back before: then declining changes nothing.
            Self::Stock(_) | Self::Reservation(ReservationError::Declined | ReservationError::Released) => {
                Some(DeclineReason::NotEnough)
            }
            Self::Product(_) | Self::Reservation(_) => None,
        }
    }
}

impl Sender {
    pub(super) async fn reserve(&self, reservation: ReservationId, wanted: &ReservationAsk, ask: Ask) -> Sent {
        match wanted {
            ReservationAsk::Make { order, lines } => {
                let came = self.keep(reservation, *order, lines, ask.clone()).await;
                let Err(Refused::Rule(why)) = &came else { return sent(came) };
                match why.reason() {
                    Some(reason) => self.decline(reservation, *order, lines, reason, ask).await,
                    None => sent(came),
                }
            }
            ReservationAsk::Release => self.settle(reservation, ReservationCommand::Release, ask).await,
            ReservationAsk::Commit => self.settle(reservation, ReservationCommand::Commit, ask).await,
        }
    }

    async fn keep(
        &self,
        reservation: ReservationId,
        order: OrderId,
        lines: &[WantedLine],
        ask: Ask,
    ) -> Result<Done, Refused<NotKept>> {
        let at = clock::now();
        let micros = at.micros().saturating_add(RESERVATION_DAYS_MAX * DAY_MICROS);
        let until = Timestamp::from_micros(micros).unwrap_or(at);
        let reserved = lines.iter().map(reserved).collect();
        let make = ReservationCommand::Make { reservation, order, lines: reserved, until };
        let whole = self.products_store.transact::<NotKept>();
        let mut whole = whole.ask(&self.reservations, &reservation.to_string(), make);
        for WantedLine { product, sku, quantity, unit_price } in lines {
            let (sought, price) = (sku.clone(), *unit_price);
            let check = move |offered: &domain::products::Product| offered.offers_at(&sought, price);
            let command = StockCommand::Reserve { reservation, quantity: *quantity, until, at };
            whole = whole.guard(&self.products, &product.to_string(), check).ask(
                &self.stock,
                &format!("{product}/{sku}"),
                command,
            );
        }
        whole.execute(ask).await
    }

    /// Says that it cannot be had, and what of it, as far as that can be seen now.
    async fn decline(
        &self,
        reservation: ReservationId,
        order: OrderId,
        lines: &[WantedLine],
        reason: DeclineReason,
        mut ask: Ask,
    ) -> Sent {
        let lines = match self.lacking(lines).await {
            Ok(lacking) => lacking,
            Err(error) => return broken(&error),
        };
        // It is another command than the one that was refused. Its lines may differ when it is repeated.
        ask.key = ask.key.map(|key| IdempotencyKey { key: format!("{}/declined", key.key), ..key });
        let command = ReservationCommand::Decline { reservation, order, reason, lines };
        sent(self.reservations.execute(&reservation.to_string(), command, ask).await)
    }

    async fn lacking(&self, lines: &[WantedLine]) -> Result<Vec<ReservedLine>, StoreError> {
        let mut lacking = Vec::new();
        for line in lines {
            let (_, product) = self.products.load(&line.product.to_string()).await?;
            let (_, stock) = self.stock.load(&format!("{}/{}", line.product, line.sku)).await?;
            let available = stock.pieces().map_or(0, |pieces| pieces.on_hand.saturating_sub(pieces.reserved));
            if product.offers_at(&line.sku, line.unit_price).is_err() || available < line.quantity {
                lacking.push(reserved(line));
            }
        }
        Ok(lacking)
    }

    /// Releases or commits all lines of what is kept.
    async fn settle(&self, reservation: ReservationId, command: ReservationCommand, ask: Ask) -> Sent {
        let id = reservation.to_string();
        let kept = match self.reservations.load(&id).await {
            Ok((_, kept)) => kept,
            Err(error) => return broken(&error),
        };
        let of_stock = |command: &ReservationCommand| match command {
            ReservationCommand::Commit => StockCommand::Commit { reservation },
            _ => StockCommand::Release { reservation },
        };
        let mut whole = self.products_store.transact::<NotKept>().ask(&self.reservations, &id, command.clone());
        // Only what is kept now: once settled, there is nothing to ask for.
        if let Reservation::Made(_) = &kept {
            for line in kept.lines() {
                let stock = format!("{}/{}", line.product, line.sku);
                whole = whole.ask(&self.stock, &stock, of_stock(&command));
            }
        }
        sent(whole.execute(ask).await)
    }
}

fn reserved(line: &WantedLine) -> ReservedLine {
    ReservedLine { product: line.product, sku: line.sku.clone(), quantity: line.quantity }
}
