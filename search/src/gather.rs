//! Walks once over everything that fits: counts it, counts its categories and prices, and keeps the best.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

use crate::fields::{AMOUNT_MINOR, CATEGORIES, CURRENCY, PUBLISHED_AT, TIE};
use crate::question::{Count, PriceRange, Sort};

/// Where ranges of prices begin, in minor units.
pub const RANGES_FROM_MINOR: [i64; 8] = [0, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000];
/// So many categories are told of at most.
pub const CATEGORIES_MAX: usize = 50;

/// Greater is better; of equal ones the smaller id, then the place in the index.
type Rank = (u64, Reverse<u64>, Reverse<DocAddress>);

/// What to gather.
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    /// What comes first.
    pub sort: Sort,
    /// How many of the best are kept.
    pub best_max: usize,
}

/// What was gathered.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// How many fit.
    pub total: usize,
    /// The best, best first, each with its score.
    pub best: Vec<(f32, DocAddress)>,
    categories: BTreeMap<String, u64>,
    prices: BTreeMap<(String, usize), u64>,
}

impl Gathered {
    /// The categories with most products, most first.
    #[must_use]
    pub fn categories(&self) -> Vec<Count> {
        let count = |(value, count): (&String, &u64)| Count { value: value.clone(), count: *count };
        let mut counts: Vec<_> = self.categories.iter().map(count).collect();
        counts.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
        counts.truncate(CATEGORIES_MAX);
        counts
    }

    /// The ranges of prices in which there is anything.
    #[must_use]
    pub fn prices(&self) -> Vec<PriceRange> {
        let range = |((currency, range), count): (&(String, usize), &u64)| PriceRange {
            currency: currency.clone(),
            from_minor: RANGES_FROM_MINOR[*range],
            below_minor: RANGES_FROM_MINOR.get(range + 1).copied(),
            count: *count,
        };
        self.prices.iter().map(range).collect()
    }
}

impl Collector for Gather {
    type Fruit = Gathered;
    type Child = OfSegment;

    fn for_segment(&self, ord: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<OfSegment> {
        let fast = segment.fast_fields();
        let (categories, currencies) = (fast.str(CATEGORIES)?, fast.str(CURRENCY)?);
        let terms = |column: &Option<StrColumn>| column.as_ref().map_or(0, |column| column.dictionary().num_terms());
        Ok(OfSegment {
            gather: *self,
            ord,
            amounts: fast.i64(AMOUNT_MINOR)?,
            published: fast.i64(PUBLISHED_AT)?,
            ties: fast.u64(TIE)?,
            category_counts: vec![0; terms(&categories)],
            price_counts: vec![[0; RANGES_FROM_MINOR.len()]; terms(&currencies)],
            categories,
            currencies,
            total: 0,
            best: BinaryHeap::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.sort == Sort::Relevance
    }

    fn merge_fruits(&self, segments: Vec<io::Result<Part>>) -> tantivy::Result<Gathered> {
        let mut all = Gathered::default();
        let mut best = Vec::new();
        for part in segments {
            let part = part?;
            all.total += part.total;
            for (category, count) in part.categories {
                *all.categories.entry(category).or_default() += count;
            }
            for (price, count) in part.prices {
                *all.prices.entry(price).or_default() += count;
            }
            best.extend(part.best);
        }
        best.sort_unstable_by_key(|rank| Reverse(*rank));
        best.truncate(self.best_max);
        let scored = self.requires_scoring();
        let shown = |(key, _, Reverse(at)): Rank| (if scored { score_of(key) } else { 0.0 }, at);
        all.best = best.into_iter().map(shown).collect();
        Ok(all)
    }
}

/// What one segment gathers.
pub struct OfSegment {
    gather: Gather,
    ord: SegmentOrdinal,
    categories: Option<StrColumn>,
    currencies: Option<StrColumn>,
    amounts: Column<i64>,
    published: Column<i64>,
    ties: Column<u64>,
    category_counts: Vec<u64>,
    price_counts: Vec<[u64; RANGES_FROM_MINOR.len()]>,
    total: usize,
    best: BinaryHeap<Reverse<Rank>>,
}

/// What one segment gathered.
pub struct Part {
    total: usize,
    best: Vec<Rank>,
    categories: Vec<(String, u64)>,
    prices: Vec<((String, usize), u64)>,
}

impl SegmentCollector for OfSegment {
    type Fruit = io::Result<Part>;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.total += 1;
        let amount = self.amounts.first(doc).unwrap_or_default();
        if let Some(categories) = &self.categories {
            for category in categories.ords().values_for_doc(doc) {
                bump(&mut self.category_counts, category, |count| count);
            }
        }
        if let Some(currency) = self.currencies.as_ref().and_then(|column| column.ords().first(doc)) {
            let range = RANGES_FROM_MINOR.partition_point(|from| *from <= amount).saturating_sub(1);
            bump(&mut self.price_counts, currency, |counts| &mut counts[range]);
        }
        let key = match self.gather.sort {
            Sort::Relevance => key_of(score),
            Sort::Newest => ascending(self.published.first(doc).unwrap_or_default()),
            Sort::Price => !ascending(amount),
            Sort::PriceDescending => ascending(amount),
        };
        let full = self.best.len() >= self.gather.best_max;
        if full && self.best.peek().is_none_or(|Reverse(worst)| key < worst.0) {
            return;
        }
        let tie = self.ties.first(doc).unwrap_or_default();
        let rank = (key, Reverse(tie), Reverse(DocAddress::new(self.ord, doc)));
        if !full {
            self.best.push(Reverse(rank));
        } else if let Some(mut worst) = self.best.peek_mut().filter(|worst| rank > worst.0) {
            *worst = Reverse(rank);
        }
    }

    fn harvest(self) -> io::Result<Part> {
        let mut categories = Vec::new();
        for (ord, count) in counted(&self.category_counts, |count| *count) {
            categories.push((text(self.categories.as_ref(), ord)?, count));
        }
        let mut prices = Vec::new();
        for (ord, _) in counted(&self.price_counts, |counts| counts.iter().sum()) {
            let currency = text(self.currencies.as_ref(), ord)?;
            let ranges = self.price_counts[usize::try_from(ord).unwrap_or_default()].iter().enumerate();
            prices.extend(ranges.filter(|(_, count)| **count > 0).map(|(at, count)| ((currency.clone(), at), *count)));
        }
        let best = self.best.into_iter().map(|Reverse(rank)| rank).collect();
        Ok(Part { total: self.total, best, categories, prices })
    }
}

/// Adds one where an ordinal points.
fn bump<T>(counts: &mut [T], ord: u64, at: impl FnOnce(&mut T) -> &mut u64) {
    if let Some(count) = usize::try_from(ord).ok().and_then(|ord| counts.get_mut(ord)) {
        *at(count) += 1;
    }
}

/// The ordinals of which anything was counted.
fn counted<T>(counts: &[T], sum: impl Fn(&T) -> u64) -> impl Iterator<Item = (u64, u64)> {
    (0..).zip(counts.iter().map(sum)).filter(|(_, count)| *count > 0)
}

fn text(column: Option<&StrColumn>, ord: u64) -> io::Result<String> {
    let mut text = String::new();
    if let Some(column) = column {
        column.ord_to_str(ord, &mut text)?;
    }
    Ok(text)
}

/// Signed numbers in the order of unsigned ones.
const fn ascending(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

/// Scores are not negative, so their bits have their order.
fn key_of(score: Score) -> u64 {
    u64::from(score.max(0.0).to_bits())
}

fn score_of(key: u64) -> f32 {
    f32::from_bits(u32::try_from(key).unwrap_or_default())
}
