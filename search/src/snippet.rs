//! The part of a text around the words that were found, as HTML in which only these are marked. No I/O.

use std::collections::{HashMap, HashSet};

use tantivy::tokenizer::TextAnalyzer;

use crate::fields::{self, stemmed};
use crate::meaning::Meaning;

/// How long a snippet is, in characters of the text.
pub const CHARS_MAX: usize = 180;
/// What comes before the first word that was found.
const BEFORE_CHARS: usize = 40;
/// So much of a text is looked at.
const LOOKED_AT_BYTES_MAX: usize = 8_000;

/// The words and stems that mark a place. Made once for all texts of an answer: analysers are dear to make, and texts
/// share most of their words.
pub struct Marks<'a> {
    plain: HashSet<&'a str>,
    stems: HashSet<&'a str>,
    /// Whether any of them begins with this byte: a word and its stem begin alike.
    begin: [bool; 256],
    words: TextAnalyzer,
    stemmer: TextAnalyzer,
    /// What is known of words that were met.
    known: HashMap<String, bool>,
}

impl<'a> Marks<'a> {
    /// Everything that the words of a question may stand for.
    #[must_use]
    pub fn of(meanings: &'a [Meaning]) -> Self {
        let plain: HashSet<_> = meanings.iter().flat_map(|one| &one.plain).map(|(word, _)| word.as_str()).collect();
        let stems: HashSet<_> = meanings.iter().flat_map(|one| &one.stems).map(|(stem, _)| stem.as_str()).collect();
        let mut begin = [false; 256];
        for first in plain.iter().chain(&stems).filter_map(|text| text.bytes().next()) {
            begin[usize::from(first)] = true;
        }
        Self { plain, stems, begin, words: fields::plain(), stemmer: stemmed(), known: HashMap::new() }
    }

    /// Where the words that mark begin and end.
    fn places(&mut self, text: &str) -> Vec<(usize, usize)> {
        let Self { plain, stems, begin, words, stemmer, known } = self;
        let mut places = Vec::new();
        let mut stream = words.token_stream(text);
        while let Some(token) = stream.next() {
            if token.text.bytes().next().is_none_or(|first| !begin[usize::from(first)]) {
                continue;
            }
            let marks = known.get(&token.text).copied().unwrap_or_else(|| {
                let marks = plain.contains(token.text.as_str()) || {
                    let mut stem = stemmer.token_stream(&token.text);
                    stem.advance() && stems.contains(stem.token().text.as_str())
                };
                known.insert(token.text.clone(), marks);
                marks
            });
            if marks {
                places.push((token.offset_from, token.offset_to));
            }
        }
        places
    }
}

/// The snippet of a text. Without any of the words it is the beginning.
#[must_use]
pub fn snippet(text: &str, marks: &mut Marks<'_>) -> String {
    let text = &text[..text.floor_char_boundary(LOOKED_AT_BYTES_MAX)];
    let found = marks.places(text);
    let (begin, end) = window(text, &found);
    let mut html = String::with_capacity(end - begin + 32);
    if begin > 0 {
        html.push('…');
    }
    let mut at = begin;
    for (from, to) in found.into_iter().filter(|(from, to)| *from >= begin && *to <= end) {
        escape(&text[at..from], &mut html);
        html.push_str("<em>");
        escape(&text[from..to], &mut html);
        html.push_str("</em>");
        at = to;
    }
    escape(&text[at..end], &mut html);
    if end < text.len() {
        html.push('…');
    }
    html
}

/// Where most of what was found stands together.
fn window(text: &str, found: &[(usize, usize)]) -> (usize, usize) {
    let within = |from: usize| found.iter().filter(|(begin, end)| *begin >= from && *end <= from + CHARS_MAX).count();
    // The first of equal ones: `max_by_key` would take the last.
    let best = found.iter().map(|(from, _)| *from).rev().max_by_key(|from| within(*from)).unwrap_or_default();
    let begin = if text.len() <= CHARS_MAX { 0 } else { blank_before(text, back(text, best, BEFORE_CHARS)) };
    let end = forth(text, begin, CHARS_MAX);
    let end = if end == text.len() { end } else { blank_before(text, end).max(found_end(found, best)) };
    (begin, end.max(begin))
}

fn found_end(found: &[(usize, usize)], from: usize) -> usize {
    found.iter().find(|(begin, _)| *begin == from).map_or(0, |(_, end)| *end)
}

/// So many characters back.
fn back(text: &str, from: usize, chars: usize) -> usize {
    text[..from].char_indices().rev().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at)
}

/// So many characters forth.
fn forth(text: &str, from: usize, chars: usize) -> usize {
    text[from..].char_indices().nth(chars).map_or(text.len(), |(at, _)| from + at)
}

/// The end of the last blank before a place, so that no word is cut; the place itself if there is none.
fn blank_before(text: &str, at: usize) -> usize {
    let blank = text[..at].char_indices().rev().take(BEFORE_CHARS).find(|(_, c)| c.is_whitespace());
    blank.map_or(at, |(blank, c)| blank + c.len_utf8())
}

/// Titles and descriptions are anybody's words: shown in a page, they must stay words.
fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
