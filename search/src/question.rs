//! What is asked, as it comes over the inner port, and what is answered.

use envelope::{History, Position, Timestamp};
use event_schemas::Money;
use event_schemas::ids::{AccountId, ProductId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// So many products may be looked through, page by page.
pub const WINDOW_MAX: usize = 1_000;
/// A page has so many products at most.
pub const LIMIT_MAX: usize = 100;
/// What is asked has so many characters at most; the rest is not looked at.
pub const QUERY_CHARS_MAX: usize = 200;
/// So many histories may be named in what an answer has to contain.
pub const HISTORIES_MAX: usize = 8;

/// In which order products come. Equal ones come in the order of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// What fits best.
    #[default]
    Relevance,
    /// What was approved last.
    Newest,
    /// What costs least.
    Price,
    /// What costs most.
    PriceDescending,
}

/// A question as the inner port takes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Question {
    /// The words.
    #[serde(default)]
    pub q: String,
    /// Only in this category.
    pub category: Option<String>,
    /// Only of this seller.
    pub seller: Option<AccountId>,
    /// Only in this currency.
    pub currency: Option<String>,
    /// Only what costs at least so much.
    pub price_min: Option<i64>,
    /// Only what costs at most so much.
    pub price_max: Option<i64>,
    /// In which order.
    #[serde(default)]
    pub sort: Sort,
    /// So many are left out before the page.
    #[serde(default)]
    pub offset: usize,
    /// So many make a page.
    pub limit: usize,
    /// What the answer has to contain: `history:position`, several joined by commas.
    pub contains: Option<String>,
    /// How long to wait for it, in milliseconds.
    #[serde(default)]
    pub wait_max_ms: u64,
}

impl Question {
    /// What the answer has to contain; `None` if that cannot be read.
    #[must_use]
    pub fn contained(&self) -> Option<Vec<(History, Position)>> {
        let Some(text) = self.contains.as_deref().filter(|text| !text.is_empty()) else { return Some(vec![]) };
        let one = |part: &str| {
            let (history, position) = part.split_once(':')?;
            Some((History(history.parse::<Uuid>().ok()?), Position(position.parse().ok()?)))
        };
        let all: Option<Vec<_>> = text.split(',').take(HISTORIES_MAX + 1).map(one).collect();
        all.filter(|all| all.len() <= HISTORIES_MAX)
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How many products fit.
    pub total: usize,
    /// Those of the page.
    pub products: Vec<Hit>,
    /// How many fit in each category, most first.
    pub categories: Vec<Count>,
    /// How many fit in each range of prices.
    pub prices: Vec<PriceRange>,
    /// What was searched for instead, where a word is not in any product.
    pub did_you_mean: Option<String>,
    /// The position to be contained is of another history of the store.
    pub other_history: bool,
}

/// A product that fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Which one.
    pub product: ProductId,
    /// Who sells it.
    pub seller: AccountId,
    /// What it is called.
    pub title: String,
    /// What is said about it, around the words that were found: HTML in which only these are marked, by `<em>`.
    pub snippet: String,
    /// What one piece costs.
    pub price: Money,
    /// Under what it is found.
    pub categories: Vec<String>,
    /// When it was approved.
    pub published_at: Timestamp,
    /// How well it fits; comparable within one answer. 0 where the order is another.
    pub score: f32,
}

/// How many products fit under a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Which value.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// How many products fit whose price is from one amount up to, but not including, another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PriceRange {
    /// In which currency.
    pub currency: String,
    /// The least amount, in minor units.
    pub from_minor: i64,
    /// The amount at which the next range begins; none for the last one.
    pub below_minor: Option<i64>,
    /// How many.
    pub count: u64,
}

/// Titles that go on as somebody types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestions {
    /// Best first, no title twice.
    pub titles: Vec<Suggestion>,
    /// What may be meant where no title fits.
    pub did_you_mean: Option<String>,
    /// The position to be contained is of another history of the store.
    pub other_history: bool,
}

/// A title.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The product that has it.
    pub product: ProductId,
    /// What it is called.
    pub title: String,
}
