//! The index on disk: opened or begun anew, asked for what it keeps, and committed with its checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use event_schemas::ids::ProductId;
use tantivy::directory::MmapDirectory;
use tantivy::directory::error::OpenReadError;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::schema::{IndexRecordOption, Value as _};
use tantivy::{DocAddress, DocSet as _, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TERMINATED};
use tantivy::{TantivyDocument, TantivyError, Term};

use crate::changes::{Changes, Written};
use crate::checkpoint::{Checkpoint, Foreign};
use crate::fields::{Fields, analyzers};
use crate::product::Kept;

/// What the writer gathers in memory before it writes a segment.
pub const WRITER_BYTES: usize = 64 << 20;
/// A segment with a larger part of deleted documents is merged.
const DELETED_RATIO_MAX: f32 = 0.3;
/// Blocks of stored documents that a reader keeps unpacked.
const BLOCKS_KEPT: usize = 64;

/// What is wrong with an index on disk.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Somebody else writes it.
    #[error("the index in {} is written by another process: give each role `search` a --search-dir of its own",
            .0.display())]
    InUse(PathBuf),
    /// The folder cannot be used.
    #[error("the folder {} cannot be used: {reason}; look at its rights and its disk", folder.display())]
    Folder {
        /// Which one.
        folder: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The library failed.
    #[error("the index cannot be read or written: {0}")]
    Library(#[from] TantivyError),
    /// What is kept is no product.
    #[error("what the index keeps of a product cannot be read: {0}")]
    Kept(#[from] serde_json::Error),
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        Self::Library(error.into())
    }
}

impl IndexError {
    /// The files are not what they should be, and are not worth keeping: everything in them is in the store too.
    fn is_damage(&self) -> bool {
        match self {
            Self::InUse(_) | Self::Folder { .. } => false,
            Self::Kept(_) => true,
            Self::Library(error) => !matches!(
                error,
                TantivyError::IoError(_)
                    | TantivyError::LockFailure(..)
                    | TantivyError::OpenDirectoryError(_)
                    | TantivyError::OpenWriteError(_)
                    | TantivyError::OpenReadError(OpenReadError::IoError { .. })
            ),
        }
    }
}

/// What answers: as of the newest commit that it was told of.
#[derive(Clone)]
pub struct Serving {
    reader: IndexReader,
    /// What is in it.
    pub fields: Fields,
}

impl Serving {
    /// A view that later commits do not change.
    #[must_use]
    pub fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }
}

/// An index that this process writes.
pub struct ProductIndex {
    fields: Fields,
    index: Index,
    writer: IndexWriter,
    reader: IndexReader,
}

impl ProductIndex {
    /// Opens the index in a folder; one that is damaged or of another shape is begun anew, and the answer says why.
    ///
    /// # Errors
    /// If another process writes it or the folder cannot be used.
    pub fn open(folder: &Path) -> Result<(Self, Result<Checkpoint, Foreign>), IndexError> {
        match Self::open_as_it_is(folder) {
            Ok(opened) => Ok(opened),
            Err(error) if error.is_damage() => {
                tracing::warn!(folder = %folder.display(), reason = %error, "The index is thrown away: {error}");
                clear(folder)?;
                Self::open_as_it_is(folder).map(|(index, _)| (index, Err(Foreign::OtherShape)))
            }
            Err(error) => Err(error),
        }
    }

    fn open_as_it_is(folder: &Path) -> Result<(Self, Result<Checkpoint, Foreign>), IndexError> {
        let of_folder = |reason| IndexError::Folder { folder: folder.to_owned(), reason };
        fs::create_dir_all(folder).map_err(of_folder)?;
        let directory = MmapDirectory::open(folder).map_err(TantivyError::from)?;
        let fields = Fields::new();
        let builder = Index::builder().schema(fields.schema.clone()).tokenizers(analyzers());
        let index = builder.open_or_create(directory)?;
        let writer = writer(&index, folder)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(BLOCKS_KEPT)
            .try_into()?;
        let checkpoint = Checkpoint::read(index.load_metas()?.payload.as_deref());
        Ok((Self { fields, index, writer, reader }, checkpoint))
    }

    /// Throws everything away with the next commit.
    ///
    /// # Errors
    /// What the library says.
    pub fn begin_anew(&mut self) -> Result<(), IndexError> {
        self.writer.delete_all_documents()?;
        Ok(())
    }

    /// For whoever asks.
    #[must_use]
    pub fn serving(&self) -> Serving {
        Serving { reader: self.reader.clone(), fields: self.fields.clone() }
    }

    /// What the last commit has of a product.
    ///
    /// # Errors
    /// What the library says.
    pub fn find(&self, product: ProductId) -> Result<Option<Kept>, IndexError> {
        let searcher = self.reader.searcher();
        let term = Term::from_field_bytes(self.fields.id, product.0.as_bytes());
        for (ord, segment) in (0..).zip(searcher.segment_readers()) {
            let inverted = segment.inverted_index(self.fields.id)?;
            let Some(mut postings) = inverted.read_postings(&term, IndexRecordOption::Basic)? else { continue };
            while postings.doc() != TERMINATED {
                if !segment.is_deleted(postings.doc()) {
                    return kept(&searcher, &self.fields, DocAddress::new(ord, postings.doc())).map(Some);
                }
                postings.advance();
            }
        }
        Ok(None)
    }

    /// Writes the changes and the checkpoint, both or neither, and shows them.
    ///
    /// # Errors
    /// What the library says. The index then has to be opened again: it is as it was after the commit before.
    pub fn commit(&mut self, changes: &mut Changes, checkpoint: &Checkpoint) -> Result<(), IndexError> {
        changes.write_all(|written| self.write(&written))?;
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&checkpoint.write()?);
        commit.commit()?;
        self.reader.reload()?;
        Ok(())
    }

    /// Writes what came to rest, which shows with the next commit.
    ///
    /// # Errors
    /// As [`ProductIndex::commit`].
    pub fn write_settled(&self, changes: &mut Changes) -> Result<(), IndexError> {
        changes.write_settled(|written| self.write(&written))
    }

    fn write(&self, Written { kept, replaces }: &Written<'_>) -> Result<(), IndexError> {
        if *replaces {
            self.writer.delete_term(Term::from_field_bytes(self.fields.id, kept.product().0.as_bytes()));
        }
        self.writer.add_document(self.fields.document(kept)?)?;
        Ok(())
    }

    /// How many products it keeps, found or not.
    #[must_use]
    pub fn products(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Everything it keeps, by id: to be compared with what the store says.
    ///
    /// # Errors
    /// What the library says.
    pub fn everything(&self) -> Result<BTreeMap<ProductId, Kept>, IndexError> {
        let searcher = self.reader.searcher();
        let mut all = BTreeMap::new();
        for (ord, segment) in (0..).zip(searcher.segment_readers()) {
            for doc in segment.doc_ids_alive() {
                let kept = kept(&searcher, &self.fields, DocAddress::new(ord, doc))?;
                all.insert(kept.product(), kept);
            }
        }
        Ok(all)
    }

    /// Compares every file with its checksum.
    ///
    /// # Errors
    /// What the library says.
    pub fn damaged_files(&self) -> Result<Vec<PathBuf>, IndexError> {
        Ok(self.index.validate_checksum()?.into_iter().collect())
    }
}

/// What is kept under an address.
pub(crate) fn kept(searcher: &Searcher, fields: &Fields, at: DocAddress) -> Result<Kept, IndexError> {
    let document: TantivyDocument = searcher.doc(at)?;
    let bytes = document.get_first(fields.kept).and_then(|value| value.as_bytes()).unwrap_or_default();
    Ok(serde_json::from_slice(bytes)?)
}

fn writer(index: &Index, folder: &Path) -> Result<IndexWriter, IndexError> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(WRITER_BYTES)
        .build();
    let writer = index.writer_with_options(options).map_err(|error| match error {
        TantivyError::LockFailure(..) => IndexError::InUse(folder.to_owned()),
        other => other.into(),
    })?;
    let mut merging = LogMergePolicy::default();
    merging.set_del_docs_ratio_before_merge(DELETED_RATIO_MAX);
    writer.set_merge_policy(Box::new(merging));
    Ok(writer)
}

/// Removes the files of an index, and no folder that somebody put beside them.
fn clear(folder: &Path) -> Result<(), IndexError> {
    let remove = || -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(|reason| IndexError::Folder { folder: folder.to_owned(), reason })
}

#[cfg(test)]
mod tests;
