//! What somebody typed, as words. Nothing that can be typed is an error. No I/O.

use tantivy::tokenizer::TextAnalyzer;

use crate::fields::{plain, stemmed};
use crate::question::QUERY_CHARS_MAX;

/// Words after so many are not looked at.
pub const WORDS_MAX: usize = 12;

/// Words that nearly every text has. They are left out of a question that has others.
const STOP_WORDS: [&str; 27] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "my", "of", "on", "or", "some",
    "that", "the", "these", "this", "to", "which", "will", "with", "your",
];

/// One word of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As it was typed, but for case and accents.
    pub plain: String,
    /// Its stem.
    pub stem: String,
}

/// The words of a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Each once, in their order.
    pub words: Vec<Word>,
    /// The last one may go on: nothing stands after it.
    pub open: bool,
}

impl Words {
    /// Takes a question apart.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text: String = text.chars().take(QUERY_CHARS_MAX).collect();
        let mut all: Vec<Word> = Vec::new();
        for word in analyzed(&text) {
            if !all.contains(&word) {
                all.push(word);
            }
        }
        let ends_in_word = text.ends_with(char::is_alphanumeric);
        let last = all.last().cloned();
        let mut words: Vec<_> = all.iter().filter(|word| !is_stop_word(&word.plain)).cloned().collect();
        if words.is_empty() {
            words = all;
        }
        words.truncate(WORDS_MAX);
        let open = ends_in_word && last.is_some() && last.as_ref() == words.last();
        Self { words, open }
    }
}

/// Whether nearly every text has this word.
#[must_use]
pub fn is_stop_word(plain: &str) -> bool {
    STOP_WORDS.contains(&plain)
}

/// The stem of a word.
#[must_use]
pub fn stem_of(word: &str) -> String {
    tokens(&mut stemmed(), word).next().unwrap_or_else(|| word.to_owned())
}

/// The words of a text with their stems: both analyses cut it in the same way.
fn analyzed(text: &str) -> impl Iterator<Item = Word> {
    let (words, stems) = (tokens(&mut plain(), text), tokens(&mut stemmed(), text));
    words.zip(stems).map(|(plain, stem)| Word { plain, stem })
}

fn tokens(analyzer: &mut TextAnalyzer, text: &str) -> std::vec::IntoIter<String> {
    let mut all = Vec::new();
    let mut stream = analyzer.token_stream(text);
    while let Some(token) = stream.next() {
        all.push(token.text.clone());
    }
    all.into_iter()
}

#[cfg(test)]
mod tests;
