//! What a store has to agree with before anything is appended to it.
//!
//! An older copy that was restored has a chain that holds, and whoever goes on with it uses positions again that others
//! have seen with other events. Nobody can take that back, so it is looked for before and not after.

use super::book::Book;
use super::compare::compare;
use super::key::PublicKey;
use crate::{Reader, StoreError};

/// So many of the newest heads show that events are missing or are others; every recovery is looked at too, because it
/// explains what is missing.
const NEWEST_MAX: usize = 64;

/// The heads of a store on this machine, and whose count.
#[derive(Clone, Debug)]
pub struct Vouched {
    /// Where they are kept.
    pub book: Book,
    /// Whose count; with none all are taken at their word.
    pub trusted: Vec<PublicKey>,
}

impl Vouched {
    /// A file that cannot be read stops nothing, and neither does what others may have written into it.
    ///
    /// # Errors
    /// If events are missing or are others than those that were signed, or Postgres is away.
    pub(crate) async fn check(&self, reader: &Reader) -> Result<(), StoreError> {
        // Before the store is asked: whatever was signed by then has been committed.
        let heads = match self.book.read() {
            Ok(heads) => heads.newest(NEWEST_MAX),
            Err(error) => {
                let file = self.book.path().display();
                tracing::warn!(%error, "Whether events were lost is not known: {file} cannot be read");
                return Ok(());
            }
        };
        let report = compare(reader, &heads, &self.trusted).await?;
        match report.findings.iter().find(|finding| finding.is_loss()) {
            None => Ok(()),
            Some(loss) => {
                let (context, loss) = (reader.context().to_string(), loss.to_string());
                Err(StoreError::NotAsSigned { context, loss })
            }
        }
    }
}
