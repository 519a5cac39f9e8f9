//! From the meanings of words to what the library looks for.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery,
};
use tantivy::schema::IndexRecordOption;

use crate::fields::Fields;
use crate::meaning::Meaning;
use crate::one_word::OneWord;
use crate::question::Question;
use crate::words::{Words, stem_of};

/// What a word counts by where it stands.
const TITLE: f32 = 4.0;
const TITLE_STEM: f32 = 2.5;
const LABEL_STEM: f32 = 1.5;
const STEM: f32 = 1.0;
const WORD: f32 = 0.3;
/// What words count that stand in the title in their order.
const TITLE_PHRASE: f32 = 2.0;

/// Which of the words a product must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Every one.
    All,
    /// Half of them at least.
    Some,
}

/// Where words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// Everywhere.
    Everywhere,
    /// In titles only.
    Titles,
}

/// What fits the words and the filters of a question.
#[must_use]
pub fn query(
    fields: &Fields,
    question: &Question,
    (words, meanings): (&Words, &[Meaning]),
    required: Required,
    places: Places,
) -> Box<dyn Query> {
    let mut clauses = filters(fields, question);
    if meanings.is_empty() {
        // Only what is listed has words and whatever else can be asked for: where that is, nobody need look twice.
        if clauses.is_empty() {
            clauses.push(unscored(exactly(Term::from_field_u64(fields.listed, 1))));
        }
        return Box::new(BooleanQuery::new(clauses));
    }
    let each: Vec<_> = meanings.iter().map(|meaning| one_word(fields, meaning, places)).collect();
    match required {
        Required::All => clauses.extend(each.into_iter().map(|one| (Occur::Must, one))),
        Required::Some => {
            let least = each.len().div_ceil(2);
            let each = each.into_iter().map(|one| (Occur::Should, one)).collect();
            clauses.push((Occur::Must, Box::new(BooleanQuery::with_minimum_required_clauses(each, least))));
        }
    }
    if let Some(phrase) = title_phrase(fields, words) {
        clauses.push((Occur::Should, phrase));
    }
    Box::new(BooleanQuery::new(clauses))
}

fn filters(fields: &Fields, question: &Question) -> Vec<(Occur, Box<dyn Query>)> {
    let mut all: Vec<Box<dyn Query>> = vec![];
    if let Some(category) = &question.category {
        all.push(exactly(Term::from_field_text(fields.categories, category)));
    }
    if let Some(seller) = &question.seller {
        all.push(exactly(Term::from_field_bytes(fields.seller, seller.0.as_bytes())));
    }
    if let Some(currency) = &question.currency {
        all.push(exactly(Term::from_field_text(fields.currency, currency)));
    }
    if question.price_min.is_some() || question.price_max.is_some() {
        let bound = |amount: Option<i64>| {
            amount.map_or(Bound::Unbounded, |amount| Bound::Included(Term::from_field_i64(fields.amount_minor, amount)))
        };
        all.push(Box::new(RangeQuery::new(bound(question.price_min), bound(question.price_max))));
    }
    all.into_iter().map(unscored).collect()
}

/// A filter says nothing about how well something fits.
fn unscored(filter: Box<dyn Query>) -> (Occur, Box<dyn Query>) {
    (Occur::Must, Box::new(ConstScoreQuery::new(filter, 0.0)))
}

fn exactly(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn one_word(fields: &Fields, meaning: &Meaning, places: Places) -> Box<dyn Query> {
    if meaning.is_nothing() {
        return Box::new(EmptyQuery);
    }
    let everywhere = places == Places::Everywhere;
    let (all_words, all_stems) =
        if everywhere { (fields.words, fields.stems) } else { (fields.title, fields.title_stems) };
    // A word leads to nothing to which its stem does not lead.
    let stemmed = |word: &str| meaning.stems.iter().any(|(stem, _)| *stem == stem_of(word));
    let leads = meaning.stems.iter().map(|(stem, _)| Term::from_field_text(all_stems, stem));
    let words = meaning.plain.iter().filter(|(word, _)| !stemmed(word));
    let leads = leads.chain(words.map(|(word, _)| Term::from_field_text(all_words, word))).collect();
    let mut places = Vec::new();
    let mut add = |field, text: &str, boost| places.push((Term::from_field_text(field, text), boost));
    for (word, weight) in &meaning.plain {
        add(fields.title, word, TITLE * weight);
        if everywhere {
            add(fields.words, word, WORD * weight);
        }
    }
    for (stem, weight) in &meaning.stems {
        add(fields.title_stems, stem, TITLE_STEM * weight);
        if everywhere {
            add(fields.label_stems, stem, LABEL_STEM * weight);
            add(fields.stems, stem, STEM * weight);
        }
    }
    Box::new(OneWord { leads, places })
}

fn title_phrase(fields: &Fields, words: &Words) -> Option<Box<dyn Query>> {
    let terms = words.words.iter().map(|word| Term::from_field_text(fields.title_stems, &word.stem));
    let terms: Vec<_> = terms.collect();
    let phrase = (terms.len() > 1).then(|| PhraseQuery::new(terms))?;
    Some(Box::new(BoostQuery::new(Box::new(phrase), TITLE_PHRASE)))
}
