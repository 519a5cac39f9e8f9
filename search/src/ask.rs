//! Answers a question from one view of the index.

use tantivy::Searcher;

use crate::fields::Fields;
use crate::gather::{Gather, Gathered};
use crate::index::{IndexError, kept};
use crate::meaning::{Meaning, Vocabulary};
use crate::product::Kept;
use crate::query::{Places, Required, query};
use crate::question::{Answer, Hit, LIMIT_MAX, Question, Sort, Suggestion, Suggestions, WINDOW_MAX};
use crate::snippet::{Marks, snippet};
use crate::words::Words;

/// Titles that are the same are told of once, so more are looked at.
const TITLES_LOOKED_AT: usize = 3;

/// What was found, and by which meanings of the words.
struct Found {
    gathered: Gathered,
    meanings: Vec<Meaning>,
}

/// Finds products.
///
/// # Errors
/// What the library says: no question can be wrong.
pub fn ask(searcher: &Searcher, fields: &Fields, question: &Question) -> Result<Answer, IndexError> {
    let words = Words::of(&question.q);
    let offset = question.offset.min(WINDOW_MAX);
    let limit = question.limit.clamp(1, LIMIT_MAX).min(WINDOW_MAX - offset);
    let best_max = offset + limit;
    let found = find((searcher, fields), question, &words, Places::Everywhere, best_max)?;
    let mut marks = Marks::of(&found.meanings);
    let mut products = Vec::with_capacity(limit);
    for (score, at) in found.gathered.best.iter().skip(offset).take(limit) {
        // What is not listed does not fit, so nothing is left out here.
        let Kept::Product(product) = kept(searcher, fields, *at)? else { continue };
        products.push(Hit {
            product: product.product,
            seller: product.seller,
            snippet: snippet(&product.description, &mut marks),
            title: product.title,
            price: product.price,
            categories: product.categories,
            published_at: product.published_at.unwrap_or(product.drafted_at),
            score: *score,
        });
    }
    Ok(Answer {
        total: found.gathered.total,
        products,
        categories: found.gathered.categories(),
        prices: found.gathered.prices(),
        did_you_mean: meant(&words, &found.meanings),
        other_history: false,
    })
}

/// Finds titles that go on as somebody types.
///
/// # Errors
/// As [`ask`].
pub fn suggest(searcher: &Searcher, fields: &Fields, question: &Question) -> Result<Suggestions, IndexError> {
    let words = Words::of(&question.q);
    let limit = question.limit.clamp(1, LIMIT_MAX);
    let mut titles: Vec<Suggestion> = Vec::new();
    let mut did_you_mean = None;
    if !words.words.is_empty() {
        let meanings = meanings((searcher, fields), &words, false)?;
        did_you_mean = meant(&words, &meanings);
        let best_max = limit * TITLES_LOOKED_AT;
        let look = Gather { sort: Sort::Relevance, best_max };
        let asked = query(fields, question, (&words, &meanings), Required::All, Places::Titles);
        for (_, at) in searcher.search(&asked, &look)?.best {
            let Kept::Product(product) = kept(searcher, fields, at)? else { continue };
            if titles.len() < limit && titles.iter().all(|known| known.title != product.title) {
                titles.push(Suggestion { product: product.product, title: product.title });
            }
        }
    }
    Ok(Suggestions { titles, did_you_mean, other_history: false })
}

/// First every word as it is; where that finds nothing, words that are nearly so, and not all of them.
fn find(
    (searcher, fields): (&Searcher, &Fields),
    question: &Question,
    words: &Words,
    places: Places,
    best_max: usize,
) -> Result<Found, IndexError> {
    let sort = match question.sort {
        Sort::Relevance if words.words.is_empty() => Sort::Newest,
        chosen => chosen,
    };
    let look = Gather { sort, best_max };
    let all = meanings((searcher, fields), words, false)?;
    let asked = query(fields, question, (words, &all), Required::All, places);
    let gathered = searcher.search(&asked, &look)?;
    if gathered.total > 0 || words.words.is_empty() {
        return Ok(Found { gathered, meanings: all });
    }
    let free = meanings((searcher, fields), words, true)?;
    let asked = query(fields, question, (words, &free), Required::Some, places);
    Ok(Found { gathered: searcher.search(&asked, &look)?, meanings: free })
}

fn meanings((searcher, fields): (&Searcher, &Fields), words: &Words, freely: bool) -> Result<Vec<Meaning>, IndexError> {
    let vocabulary = Vocabulary { searcher, fields };
    let last = words.words.len().saturating_sub(1);
    let each = words.words.iter().enumerate();
    each.map(|(at, word)| vocabulary.meaning(word, words.open && at == last, freely)).collect()
}

/// The question with the words that were meant, if any was not the one that was typed.
fn meant(words: &Words, meanings: &[Meaning]) -> Option<String> {
    if meanings.iter().all(|meaning| meaning.meant.is_none()) {
        return None;
    }
    let each = words.words.iter().zip(meanings);
    let each: Vec<_> = each.map(|(word, meaning)| meaning.meant.as_deref().unwrap_or(&word.plain)).collect();
    Some(each.join(" "))
}
