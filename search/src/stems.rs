//! The stems of words, each computed once: most words of a text stood in one before it.

use std::collections::HashMap;

use tantivy::tokenizer::{Language, RawTokenizer, Stemmer, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer};

/// So many words are kept with their stems; then it begins anew.
const KNOWN_MAX: usize = 1 << 15;

/// Replaces words by their English stems, as [`Stemmer`] does.
#[derive(Clone, Copy, Debug)]
pub struct Stems;

impl TokenFilter for Stems {
    type Tokenizer<T: Tokenizer> = Stemming<T>;

    fn transform<T: Tokenizer>(self, inner: T) -> Stemming<T> {
        Stemming { inner, known: Known::default() }
    }
}

/// What [`Stems`] makes of a tokenizer.
#[derive(Clone)]
pub struct Stemming<T> {
    inner: T,
    known: Known,
}

impl<T: Tokenizer> Tokenizer for Stemming<T> {
    type TokenStream<'a> = StemStream<'a, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        StemStream { words: self.inner.token_stream(text), known: &mut self.known }
    }
}

/// The stems of one text.
pub struct StemStream<'a, T> {
    words: T,
    known: &'a mut Known,
}

impl<T: TokenStream> TokenStream for StemStream<'_, T> {
    fn advance(&mut self) -> bool {
        let more = self.words.advance();
        if more {
            self.known.stem(&mut self.words.token_mut().text);
        }
        more
    }

    fn token(&self) -> &Token {
        self.words.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.words.token_mut()
    }
}

/// Words that were met, with their stems where these are others.
#[derive(Clone)]
struct Known {
    stems: HashMap<Box<str>, Option<Box<str>>>,
    stemmer: TextAnalyzer,
}

impl Default for Known {
    fn default() -> Self {
        let stemmer = TextAnalyzer::builder(RawTokenizer::default()).filter(Stemmer::new(Language::English)).build();
        Self { stems: HashMap::new(), stemmer }
    }
}

impl Known {
    fn stem(&mut self, word: &mut String) {
        if let Some(known) = self.stems.get(word.as_str()) {
            if let Some(stem) = known {
                word.clear();
                word.push_str(stem);
            }
            return;
        }
        let mut stream = self.stemmer.token_stream(word);
        let stem = stream.next().map(|token| token.text.as_str()).filter(|stem| *stem != word.as_str());
        let stem: Option<Box<str>> = stem.map(Into::into);
        drop(stream);
        if self.stems.len() >= KNOWN_MAX {
            self.stems.clear();
        }
        self.stems.insert(word.as_str().into(), stem.clone());
        if let Some(stem) = stem {
            stem.into_string().clone_into(word);
        }
    }
}

#[cfg(test)]
mod tests;
