//! What events change in the index, collected until the next commit. No I/O: what the index holds is asked for.

use std::collections::HashMap;

use envelope::Recorded;
use event_schemas::ids::ProductId;
use event_store::RawPayload;

use crate::product::{self, Kept};

/// Changes that take more memory than this are committed, whoever waits.
pub const BYTES_MAX: usize = 96 << 20;
/// What a product takes beside its texts.
const PRODUCT_BYTES: usize = 600;

/// Products as they stand after the events that were taken in. One that changed often is written once, as a rule.
#[derive(Debug, Default)]
pub struct Changes {
    changed: HashMap<ProductId, Changed>,
    bytes: usize,
    set_aside: u64,
    /// How many batches of events were taken in.
    batch: u64,
    /// What this batch changed, each once.
    now: Vec<ProductId>,
    /// What the batch before changed.
    before: Vec<ProductId>,
}

#[derive(Debug)]
struct Changed {
    kept: Kept,
    /// The batch that changed it last.
    batch: u64,
    /// The index may have a document of it: committed, or written since.
    replaces: bool,
    written: bool,
}

/// A product as it is to be written.
#[derive(Debug)]
pub struct Written<'c> {
    /// What is kept of it.
    pub kept: &'c Kept,
    /// The index may have an older document of it.
    pub replaces: bool,
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
        let changed = self.changed.remove(&product);
        let noted = changed.as_ref().map(|changed| changed.batch);
        let (before, replaces) = match changed {
            Some(changed) => {
                self.bytes -= bytes(&changed.kept);
                (Some(changed.kept), changed.replaces)
            }
            // The first event of an aggregate finds nothing there.
            None if event.sequence == 1 => (None, false),
            None => (held(product)?, true),
        };
        let was_aside = matches!(before, Some(Kept::SetAside { .. }));
        if let Some(kept) = product::after(before, product, event) {
            self.set_aside += u64::from(!was_aside && matches!(kept, Kept::SetAside { .. }));
            self.bytes += bytes(&kept);
            if noted != Some(self.batch) {
                self.now.push(product);
            }
            self.changed.insert(product, Changed { kept, batch: self.batch, replaces, written: false });
        }
        Ok(())
    }

    /// Nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
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

    /// Ends a batch of events, and writes what the batch has left as it was: as a rule nothing changes it any more.
    ///
    /// # Errors
    /// What `write` says.
    pub fn write_settled<E>(&mut self, mut write: impl FnMut(Written<'_>) -> Result<(), E>) -> Result<(), E> {
        let batch = self.batch;
        self.batch += 1;
        for product in std::mem::replace(&mut self.before, std::mem::take(&mut self.now)) {
            if let Some(changed) = self.changed.get_mut(&product).filter(|changed| changed.batch < batch) {
                changed.write(&mut write)?;
            }
        }
        Ok(())
    }

    /// Writes whatever is not written yet, by id, and forgets all.
    ///
    /// # Errors
    /// What `write` says.
    pub fn write_all<E>(&mut self, mut write: impl FnMut(Written<'_>) -> Result<(), E>) -> Result<(), E> {
        (self.bytes, self.set_aside) = (0, 0);
        (self.now, self.before) = (vec![], vec![]);
        let mut all: Vec<_> = std::mem::take(&mut self.changed).into_iter().filter(|(_, one)| !one.written).collect();
        all.sort_unstable_by_key(|(product, _)| *product);
        all.iter_mut().try_for_each(|(_, one)| one.write(&mut write))
    }
}

/// What a product takes in memory, nearly.
fn bytes(kept: &Kept) -> usize {
    let Kept::Product(product) = kept else { return PRODUCT_BYTES };
    let labels = product.categories.iter().map(String::len).sum::<usize>();
    let variants = product.variants.iter().map(|variant| variant.title.len() + variant.sku.as_str().len());
    PRODUCT_BYTES + product.title.len() + product.description.len() + labels + variants.sum::<usize>()
}

impl Changed {
    fn write<E>(&mut self, write: &mut impl FnMut(Written<'_>) -> Result<(), E>) -> Result<(), E> {
        if !std::mem::replace(&mut self.written, true) {
            write(Written { kept: &self.kept, replaces: self.replaces })?;
            self.replaces = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
