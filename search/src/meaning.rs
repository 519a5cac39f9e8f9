//! What a word of a question may stand for: itself, words that begin with it, words that are nearly it.

use std::collections::BTreeMap;

use tantivy::query::FuzzyTermQuery;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

use crate::fields::Fields;
use crate::index::IndexError;
use crate::words::{Word, stem_of};

/// A shorter word has to be typed as it is.
pub const FUZZY_CHARS_MIN: usize = 4;
/// A shorter beginning says too little.
const PREFIX_CHARS_MIN: usize = 2;
/// So many letters may be wrong, too many, missing or swapped with their neighbour.
const FUZZY_DISTANCE: u8 = 1;
/// Of all words that begin so, so many of the most frequent are looked for.
const PREFIXED_MAX: usize = 24;
/// So many words of the vocabulary are looked at for one that begins or is nearly so.
const VOCABULARY_MAX: usize = 5_000;
/// Of all words that are nearly so, so many of the most likely are looked for.
const NEARLY_MAX: usize = 6;

/// What another word counts than the one that was typed.
const PREFIXED_WEIGHT: f32 = 0.4;
const NEARLY_WEIGHT: f32 = 0.3;

/// What one word may stand for, each with what it counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meaning {
    /// Words as they are written.
    pub plain: Vec<(String, f32)>,
    /// Stems.
    pub stems: Vec<(String, f32)>,
    /// The word that was meant, if that is not the one that was typed.
    pub meant: Option<String>,
}

impl Meaning {
    /// No product has anything of it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.plain.is_empty() && self.stems.is_empty()
    }
}

/// Finds meanings in the vocabulary of an index.
pub struct Vocabulary<'a> {
    /// As of when.
    pub searcher: &'a Searcher,
    /// Where words stand.
    pub fields: &'a Fields,
}

impl Vocabulary<'_> {
    /// What a word stands for. Words that are nearly it are taken only if no product has it, or `freely`.
    ///
    /// # Errors
    /// What the library says.
    pub fn meaning(&self, word: &Word, open: bool, freely: bool) -> Result<Meaning, IndexError> {
        let mut meaning = Meaning::default();
        if self.frequency(self.fields.words, &word.plain)? > 0 {
            meaning.plain.push((word.plain.clone(), 1.0));
        }
        if self.frequency(self.fields.stems, &word.stem)? > 0 {
            meaning.stems.push((word.stem.clone(), 1.0));
        }
        if open && word.plain.chars().count() >= PREFIX_CHARS_MIN {
            let others = self.beginning_with(&word.plain)?;
            meaning.plain.extend(others.into_iter().map(|other| (other, PREFIXED_WEIGHT)));
        }
        if freely || meaning.is_nothing() {
            let missing = meaning.is_nothing();
            let others = self.nearly(&word.plain)?;
            meaning.meant = others.first().filter(|_| missing).cloned();
            for other in others {
                let stem = stem_of(&other);
                if meaning.stems.iter().all(|(known, _)| *known != stem) {
                    meaning.stems.push((stem, NEARLY_WEIGHT));
                }
                meaning.plain.push((other, NEARLY_WEIGHT));
            }
        }
        Ok(meaning)
    }

    fn frequency(&self, field: Field, text: &str) -> Result<u64, IndexError> {
        Ok(self.searcher.doc_freq(&Term::from_field_text(field, text))?)
    }

    /// The most frequent words that begin so and go on.
    fn beginning_with(&self, beginning: &str) -> Result<Vec<String>, IndexError> {
        let mut found = BTreeMap::new();
        for segment in self.searcher.segment_readers() {
            let inverted = segment.inverted_index(self.fields.words)?;
            let mut stream = inverted.terms().range().ge(beginning).into_stream()?;
            for _ in 0..VOCABULARY_MAX {
                if !stream.advance() || !stream.key().starts_with(beginning.as_bytes()) {
                    break;
                }
                note(&mut found, stream.key(), stream.value().doc_freq);
            }
        }
        found.remove(beginning);
        let mut others: Vec<_> = found.into_iter().collect();
        others.sort_by(|(one, count), (other, others)| others.cmp(count).then_with(|| one.cmp(other)));
        others.truncate(PREFIXED_MAX);
        Ok(others.into_iter().map(|(word, _)| word).collect())
    }

    /// The most likely words that are nearly this one: people mistype the first letter least, and frequent words most.
    fn nearly(&self, typed: &str) -> Result<Vec<String>, IndexError> {
        if typed.chars().count() < FUZZY_CHARS_MIN {
            return Ok(vec![]);
        }
        let mut found = BTreeMap::new();
        for segment in self.searcher.segment_readers() {
            let term = Term::from_field_text(self.fields.words, typed);
            let automaton = FuzzyTermQuery::new(term, FUZZY_DISTANCE, true).automaton()?;
            let inverted = segment.inverted_index(self.fields.words)?;
            let mut stream = inverted.terms().search(automaton).into_stream()?;
            for _ in 0..VOCABULARY_MAX {
                if !stream.advance() {
                    break;
                }
                note(&mut found, stream.key(), stream.value().doc_freq);
            }
        }
        found.remove(typed);
        let likely = |word: &str, count: u64| (word.chars().next() == typed.chars().next(), count);
        let mut others: Vec<_> = found.into_iter().collect();
        others.sort_by(|(one, count), (other, others)| {
            likely(other, *others).cmp(&likely(one, *count)).then_with(|| one.cmp(other))
        });
        others.truncate(NEARLY_MAX);
        Ok(others.into_iter().map(|(word, _)| word).collect())
    }
}

fn note(found: &mut BTreeMap<String, u64>, key: &[u8], count: u32) {
    if let Ok(word) = std::str::from_utf8(key) {
        *found.entry(word.to_owned()).or_default() += u64::from(count);
    }
}
