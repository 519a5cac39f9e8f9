use std::collections::BTreeMap;

use envelope::{History, Position, Recorded};
use event_schemas::Money;
use event_schemas::products::ProductEvent;
use event_store::{Head, RawPayload};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::ask::{ask, suggest};
use crate::following::Following;
use crate::product::tests::{drafted, product, recorded};
use crate::question::{Answer, Question, Sort};

/// A store in memory, and the index that follows it.
struct World {
    folder: TempDir,
    history: History,
    events: Vec<Recorded<RawPayload>>,
    sequences: BTreeMap<ProductId, i64>,
}

impl World {
    fn new() -> Self {
        let (folder, history) = (tempfile::tempdir().unwrap(), History(Uuid::from_u128(1)));
        Self { folder, history, events: vec![], sequences: BTreeMap::new() }
    }

    fn happens(&mut self, of: u128, what: ProductEvent) {
        let sequence = self.sequences.entry(product(of)).or_default();
        *sequence += 1;
        let position = i64::try_from(self.events.len()).unwrap() + 1;
        self.events.push(recorded(position, product(of), *sequence, what));
    }

    fn sells(&mut self, of: u128, title: &str) {
        self.happens(of, drafted(product(of), title));
        self.happens(of, ProductEvent::ProductProposed {});
        self.happens(of, ProductEvent::ProductApproved {});
    }

    fn head(&self) -> Head {
        let newest = self.events.last();
        Head {
            position: newest.map_or(Position::ZERO, |event| event.position),
            event_id: newest.map(|event| event.event_id),
            history: self.history,
        }
    }

    fn open(&self) -> (Following, Option<Foreign>) {
        Following::open(self.folder.path(), &self.head(), None).unwrap()
    }

    fn take_all(&self, following: &mut Following) {
        let from = usize::try_from(following.at().position.get()).unwrap();
        following.take(&self.events[from..]).unwrap();
    }

    /// The index up to the end of the store.
    fn index(&self) -> Following {
        let (mut following, _) = self.open();
        self.take_all(&mut following);
        following.complete();
        following.commit().unwrap();
        following
    }
}

fn asked(following: &Following, question: Question) -> Answer {
    let serving = following.serving();
    ask(&serving.searcher(), &serving.fields, &question).unwrap()
}

fn titles(following: &Following, q: &str) -> Vec<String> {
    let question = Question { q: q.to_owned(), limit: 20, ..Question::default() };
    asked(following, question).products.into_iter().map(|hit| hit.title).collect()
}

#[test]
fn words_are_found_in_any_form_with_a_typo_and_by_their_beginning() {
    let mut world = World::new();
    for (of, title) in (1..).zip(["Ceramic mug", "Running shoes", "Café table", "Mug rack"]) {
        world.sells(of, title);
    }
    let index = world.index();
    assert_eq!(titles(&index, "ceramic"), ["Ceramic mug"]);
    assert_eq!(titles(&index, "run shoe "), ["Running shoes"], "another form");
    assert_eq!(titles(&index, "cafe"), ["Café table"]);
    assert_eq!(titles(&index, "cer"), ["Ceramic mug"], "the beginning");
    assert!(titles(&index, "cer ").is_empty(), "a blank ends the word");
    assert_eq!(titles(&index, "ceramci"), ["Ceramic mug"], "two letters swapped");
    assert_eq!(titles(&index, "shoos"), ["Running shoes"], "a wrong letter");
    assert_eq!(titles(&index, "mug").len(), 2);
    assert_eq!(titles(&index, "ceramic shoes").len(), 2, "no product has both, so either is shown");
    let corrected = asked(&index, Question { q: "ceramci mug".to_owned(), limit: 1, ..Question::default() });
    assert_eq!(corrected.did_you_mean.as_deref(), Some("ceramic mug"));
    assert_eq!(corrected.products[0].snippet, "<em>Ceramic</em> <em>mug</em>, as described.");
    let exact = asked(&index, Question { q: "ceramic mug".to_owned(), limit: 1, ..Question::default() });
    assert_eq!(exact.did_you_mean, None);
}

#[test]
fn a_word_as_it_was_typed_comes_before_one_that_only_begins_so() {
    let mut world = World::new();
    for (of, title) in (1..).zip(["Cupboard cupboard", "Cup of the cupboard", "Cup"]) {
        world.sells(of, title);
    }
    let index = world.index();
    assert_eq!(titles(&index, "cup").last().map(String::as_str), Some("Cupboard cupboard"));
}

#[test]
fn filters_ranges_facets_and_orders() {
    let mut world = World::new();
    for (of, amount_minor) in [(1, 500), (2, 1_000), (3, 99_999), (4, 100_000)] {
        world.sells(of, "Mug");
        let price = Money { amount_minor, currency: "EUR".parse().unwrap() };
        world.happens(of, ProductEvent::ProductRepriced { price });
    }
    world.happens(4, ProductEvent::ProductRecategorized { categories: vec!["gifts".to_owned(), "kitchen".to_owned()] });
    world.sells(5, "Mug");
    let index = world.index();
    let base = Question { limit: 20, ..Question::default() };
    let ids = |question: Question| -> Vec<u128> {
        asked(&index, question).products.into_iter().map(|hit| hit.product.0.as_u128()).collect()
    };
    assert_eq!(ids(base.clone()), [5, 4, 3, 2, 1], "without words the newest come first");
    let euro = Question { currency: Some("EUR".to_owned()), ..base.clone() };
    assert_eq!(ids(Question { sort: Sort::Price, ..euro.clone() }), [1, 2, 3, 4]);
    assert_eq!(ids(Question { sort: Sort::PriceDescending, ..euro.clone() }), [4, 3, 2, 1]);
    let range = Question { price_min: Some(1_000), price_max: Some(99_999), sort: Sort::Price, ..euro };
    assert_eq!(ids(range), [2, 3], "both ends are in it");
    assert_eq!(ids(Question { category: Some("gifts".to_owned()), ..base.clone() }), [4]);
    assert!(ids(Question { category: Some("Gifts".to_owned()), ..base.clone() }).is_empty());
    assert_eq!(ids(Question { offset: 2, limit: 2, ..base.clone() }), [3, 2]);
    let all = asked(&index, base);
    assert_eq!(all.total, 5);
    let categories: Vec<_> = all.categories.iter().map(|count| (count.value.as_str(), count.count)).collect();
    assert_eq!(categories, [("kitchen", 5), ("gifts", 1)]);
    let prices: Vec<_> =
        all.prices.iter().map(|range| (range.currency.as_str(), range.from_minor, range.count)).collect();
    assert_eq!(prices, [("EUR", 0, 1), ("EUR", 1_000, 1), ("EUR", 50_000, 1), ("EUR", 100_000, 1), ("USD", 1_000, 1)]);
}

#[test]
fn no_question_is_an_error() {
    let mut world = World::new();
    world.sells(1, "Mug");
    let index = world.index();
    for q in ["", "\"", "mug AND (", "title:mug", "*", "+-", "😀", "[a TO b]", "mug~9", "\\", "日本語 mug"] {
        for (offset, limit) in [(0, 0), (0, usize::MAX), (usize::MAX, 1), (999, 100)] {
            let question = Question { q: q.to_owned(), offset, limit, ..Question::default() };
            asked(&index, question.clone());
            let serving = index.serving();
            suggest(&serving.searcher(), &serving.fields, &question).unwrap();
        }
    }
}

#[test]
fn suggestions_are_titles_each_once() {
    let mut world = World::new();
    for (of, title) in (1..).zip(["Ceramic mug", "Ceramic mug", "Ceramic bowl", "Steel pot"]) {
        world.sells(of, title);
    }
    let index = world.index();
    let serving = index.serving();
    let suggested = |q: &str| {
        let question = Question { q: q.to_owned(), limit: 8, ..Question::default() };
        suggest(&serving.searcher(), &serving.fields, &question).unwrap()
    };
    let mut titles: Vec<_> = suggested("cera").titles.into_iter().map(|one| one.title).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Ceramic bowl", "Ceramic mug"]);
    assert_eq!(suggested("cermaic").did_you_mean.as_deref(), Some("ceramic"));
    assert!(suggested("").titles.is_empty());
    assert!(suggested("described").titles.is_empty(), "only titles");
}

#[test]
fn what_was_not_committed_is_taken_in_again_and_nothing_twice() {
    let mut world = World::new();
    for of in 1..=20 {
        world.sells(of, &format!("Mug number {of}"));
    }
    let first = world.index();
    let before = first.index().everything().unwrap();
    drop(first);
    for of in 1..=20 {
        world.happens(of, ProductEvent::ProductRetitled { title: format!("Cup number {of}") });
        world
            .happens(of, if of % 2 == 0 { ProductEvent::ProductArchived {} } else { ProductEvent::ProductUnlisted {} });
    }
    let (mut killed, anew) = world.open();
    assert_eq!(anew, None);
    world.take_all(&mut killed);
    // As a kill would end it: nothing of this was committed.
    drop(killed);
    let (mut again, anew) = world.open();
    assert_eq!((anew, again.at().position), (None, Position(60)));
    assert_eq!(again.index().everything().unwrap(), before);
    world.take_all(&mut again);
    again.commit().unwrap();
    assert!(titles(&again, "").is_empty(), "none is on sale");
    let fresh = World { folder: tempfile::tempdir().unwrap(), ..world };
    assert_eq!(again.index().everything().unwrap(), fresh.index().index().everything().unwrap());
    assert_eq!(again.index().products(), 20);
    assert!(again.index().damaged_files().unwrap().is_empty());
}

#[test]
fn an_index_of_another_history_or_with_other_events_is_begun_anew() {
    let mut world = World::new();
    world.sells(1, "Mug");
    drop(world.index());
    world.history = History(Uuid::from_u128(2));
    assert_eq!(world.open().1, Some(Foreign::OtherStore));
    let rebuilt = world.index();
    assert_eq!(titles(&rebuilt, "mug"), ["Mug"]);
    drop(rebuilt);
    world.events.truncate(2);
    assert_eq!(world.open().1, Some(Foreign::OtherStore));
    assert!(titles(&world.index(), "mug").is_empty(), "what the store lost is not found");
}

#[test]
fn a_damaged_index_is_begun_anew_and_one_in_use_is_left_alone() {
    let mut world = World::new();
    world.sells(1, "Mug");
    let index = world.index();
    let other = Following::open(world.folder.path(), &world.head(), None);
    assert!(matches!(other, Err(IndexError::InUse(_))), "two may not write it");
    drop(index);
    for entry in fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "idx" || end == "term") {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(world.open().1.is_some());
    assert_eq!(titles(&world.index(), "mug"), ["Mug"]);
    fs::write(world.folder.path().join("meta.json"), "{").unwrap();
    assert!(world.open().1.is_some());
    assert_eq!(titles(&world.index(), "mug"), ["Mug"]);
}
