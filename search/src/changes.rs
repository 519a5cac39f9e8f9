//! What events change in the index, collected until the next commit. No I/O: what the index holds is asked for.

use std::collections::BTreeMap;

use envelope::Recorded;
use event_schemas::ids::ProductId;
use event_store::RawPayload;

use crate::product::{self, Kept};

/// Changes that take more memory than this are committed, whoever waits.
pub const BYTES_MAX: usize = 96 << 20;
/// What a product takes beside its texts.
const PRODUCT_BYTES: usize = 600;

/// Products as they stand after the events that were taken in. One that changed often is written once.
#[derive(Debug, Default)]
pub struct Changes {
    kept: BTreeMap<ProductId, Kept>,
    bytes: usize,
    set_aside: u64,
}

impl Changes {
    /// Takes an event in. `held` says what the index has of a product that has not changed since its last commit.
    ///
    /// # Errors
    /// What `held` says.
    pub fn take<E>(
        &mut self,
        event: &Recorded<RawPayload>,
        held: impl FnOnce(ProductId) -> Result<Option<Kept>, E>,
    ) -> Result<(), E> {
        let Some(product) = product::concerns(event) else { return Ok(()) };
        let before = match self.kept.remove(&product) {
            Some(kept) => Some(kept),
            // The first event of an aggregate finds nothing there.
            None if event.sequence == 1 => None,
            None => held(product)?,
        };
        let was_aside = matches!(before, Some(Kept::SetAside { .. }));
        if let Some(kept) = product::after(before, product, event) {
            self.set_aside += u64::from(!was_aside && matches!(kept, Kept::SetAside { .. }));
            self.kept.insert(product, kept);
        }
        self.bytes += PRODUCT_BYTES + event.data.get().len();
        Ok(())
    }

    /// Nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// It is time to commit for the sake of memory.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    /// So many products were set aside by them.
    #[must_use]
    pub fn set_aside(&self) -> u64 {
        self.set_aside
    }

    /// All of them, by id.
    pub fn drain(&mut self) -> impl Iterator<Item = Kept> + use<> {
        (self.bytes, self.set_aside) = (0, 0);
        std::mem::take(&mut self.kept).into_values()
    }
}

#[cfg(test)]
mod tests;
