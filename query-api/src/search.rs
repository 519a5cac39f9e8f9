//! Products by words. Of no context, because the index that is asked is a process of its own.

mod role;
mod suggestions;

use axum::extract::State;
use axum::response::Response;
use envelope::Timestamp;
use event_schemas::Currency;
use event_schemas::ids::AccountId;
use platform::caller::Caller;
use platform::http::{Page, PageRequest, Params};
use platform::problem::{Explanation, Problem};
use platform::token::ConsistencyToken;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::Api;
use crate::fresh::Fresh;

use role::Question;
pub use role::SearchRole;

/// So many products may be looked through, page by page: whoever wants more of them asks more precisely.
const WINDOW_MAX: i64 = 1_000;
/// What is asked has so many characters at most.
const QUERY_CHARS_MAX: usize = 200;

/// What may be wrong with a search.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "search-building",
        503,
        "The search index is being built from the store, after its first start or a change of its shape. Repeat after \
         Retry-After.",
    ),
    Explanation::new(
        "search-unavailable",
        503,
        "The role that answers searches cannot be reached. Repeat after Retry-After; lists and products are shown \
         meanwhile.",
    ),
];

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(search)).merge(suggestions::routes())
}

/// A page of products that were found, best first.
#[derive(Debug, Serialize, ToSchema)]
struct Found {
    /// The products.
    #[schema(value_type = Vec<FoundProduct>)]
    data: Vec<Box<RawValue>>,
    /// Where the next page begins; send it as `cursor`, with the same words and filters.
    next_cursor: Option<String>,
    /// Whether there are more. Nobody looks through more than 1,000.
    has_more: bool,
    /// How many products fit.
    #[schema(example = 3)]
    total: i64,
    /// How many of them there are of each kind.
    facets: Facets,
    /// What was searched for instead, where no product has a word as it was typed.
    #[schema(example = "ceramic mug")]
    did_you_mean: Option<String>,
}

/// A product that was found, as the role `search` writes it: what it says is handed on as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is written elsewhere and described here")]
struct FoundProduct {
    /// Which one.
    product: Uuid,
    /// Who sells it.
    seller: Uuid,
    /// What it is called.
    #[schema(example = "Mug")]
    title: String,
    /// What is said about it, around the words that were found: HTML in which only these are marked, by `<em>`.
    #[schema(example = "Holds <em>tea</em>.")]
    snippet: String,
    /// What one piece costs.
    price: FoundPrice,
    /// Under what it is found.
    categories: Vec<String>,
    /// When it was approved.
    #[schema(value_type = String, format = DateTime)]
    published_at: Timestamp,
    /// How well it fits, comparable within one answer; 0 where the order is another.
    #[schema(example = 7.5)]
    score: f32,
}

/// What one piece costs, in whole minor units.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is written elsewhere and described here")]
struct FoundPrice {
    /// In the currency's smallest unit: 1200 is 12.00 USD.
    #[schema(example = 1200)]
    amount_minor: i64,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
}

/// How many of the products that fit there are of each kind.
#[derive(Debug, Serialize, ToSchema)]
struct Facets {
    /// In each category: the 50 with most products, most first.
    categories: Vec<CategoryCount>,
    /// In each range of prices in which there is any.
    prices: Vec<PriceCount>,
}

/// How many products fit in a category.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct CategoryCount {
    /// Which one; send it as `filter[category]`.
    #[schema(example = "kitchen")]
    value: String,
    /// How many.
    #[schema(example = 3)]
    count: u64,
}

/// How many products fit whose price is in a range.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct PriceCount {
    /// In which currency.
    #[schema(example = "USD")]
    currency: String,
    /// The least amount, in minor units; send it as `price[min]`.
    #[schema(example = 1000)]
    from_minor: i64,
    /// The amount at which the next range begins; null for the last one.
    #[schema(example = 2500)]
    below_minor: Option<i64>,
    /// How many.
    #[schema(example = 3)]
    count: u64,
}

/// What the role `search` answers.
#[derive(Debug, Deserialize)]
struct Answer {
    total: i64,
    products: Vec<Box<RawValue>>,
    categories: Vec<CategoryCount>,
    prices: Vec<PriceCount>,
    did_you_mean: Option<String>,
    other_history: bool,
}

/// Search products on sale.
///
/// Every word has to be found in the title, the description, the categories or the variants of a product, also in
/// another grammatical form. The last word may be the beginning of one, unless a blank follows it. A word of four
/// letters or more that no product has may have one letter wrong; `did_you_mean` then says what was searched for.
/// Where nothing has all words, products that have half of them are shown. Without words every product is found.
#[utoipa::path(
    get, path = "/v1/search/products", tag = "search", operation_id = "searchProducts",
    params(("q" = Option<String>, Query, description = "The words, as somebody types them: 200 characters at most, of \
            which the first 12 words count.", example = "ceramic mug"),
           ("filter[category]" = Option<String>, Query, description = "Only those in this category.",
            example = "kitchen"),
           ("filter[seller]" = Option<Uuid>, Query, description = "Only this account's."),
           ("currency" = Option<String>, Query, description = "Only those whose price is in this currency. Required \
            with `price[…]` and to sort by price.", example = "USD"),
           ("price[min]" = Option<i64>, Query, description = "Only what costs at least so much, in minor units.",
            example = 1000),
           ("price[max]" = Option<i64>, Query, description = "Only what costs at most so much, in minor units.",
            example = 2500),
           ("sort" = Option<String>, Query, description = "`relevance`, `newest`, `price` or `-price`; without it \
            `relevance`, or `newest` where there are no words.", example = "relevance"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")), body = Found,
               example = json!({"data": [{"product": "018f4e7a-0000-7000-8000-000000000003",
                   "seller": "018f4e7a-0000-7000-8000-000000000001", "title": "Mug",
                   "snippet": "Holds <em>tea</em>.", "price": {"amount_minor": 1200, "currency": "USD"},
                   "categories": ["kitchen"], "published_at": "2026-11-21T09:05:00.000000Z", "score": 7.5}],
                   "next_cursor": null, "has_more": false, "total": 1,
                   "facets": {"categories": [{"value": "kitchen", "count": 1}],
                       "prices": [{"currency": "USD", "from_minor": 1000, "below_minor": 2500, "count": 1}]},
                   "did_you_mean": null})),
              Problem)
)]
async fn search(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let mut question = question(&mut params)?;
    let page = PageRequest::<i64>::read(&mut params, &app.tokens)?;
    let offset = page.after().copied().unwrap_or_default().clamp(0, WINDOW_MAX);
    (question.offset, question.limit) = (offset, page.limit());
    let answer: Answer = app.search.ask("products", question, &token, app.wait_max).await?;
    let end = offset + i64::try_from(answer.products.len()).unwrap_or_default();
    let has_more = !answer.products.is_empty() && end < answer.total.min(WINDOW_MAX);
    let page = page.page_to(&app.tokens, answer.products, has_more.then_some(end), has_more);
    let facets = Facets { categories: answer.categories, prices: answer.prices };
    let (total, did_you_mean) = (answer.total, answer.did_you_mean);
    let body = |page: Page<Box<RawValue>>| Found {
        data: page.data,
        next_cursor: page.next_cursor,
        has_more: page.has_more,
        total,
        facets,
        did_you_mean,
    };
    Ok(Fresh::new(answer.other_history).answer(page.within(body)))
}

/// What is asked for, but for the page.
fn question(params: &mut Params) -> Result<Question, Problem> {
    let q = words(params)?;
    let category: Option<String> = params.take("filter[category]")?;
    let seller: Option<AccountId> = params.take("filter[seller]")?;
    let currency: Option<Currency> = params.take("currency")?;
    let (price_min, price_max): (Option<i64>, Option<i64>) = (params.take("price[min]")?, params.take("price[max]")?);
    let sort = match params.text("sort")? {
        None | Some("relevance") => "relevance",
        Some("newest") => "newest",
        Some("price") => "price",
        Some("-price") => "price-descending",
        Some(_) => {
            return Err(Problem::bad_parameter("sort", "it is `relevance`, `newest`, `price` or `-price`"));
        }
    };
    let by_price = price_min.is_some() || price_max.is_some() || sort.starts_with("price");
    if by_price && currency.is_none() {
        let why = "amounts of different currencies cannot be compared: say which one is meant, such as currency=USD";
        return Err(Problem::bad_parameter("currency", why));
    }
    if price_min.zip(price_max).is_some_and(|(min, max)| min > max) {
        return Err(Problem::bad_parameter("price[max]", "it is less than `price[min]`, so that nothing would fit"));
    }
    let (seller, currency) = (seller.map(|seller| seller.0), currency.map(|currency| currency.to_string()));
    Ok(Question { q, category, seller, currency, price_min, price_max, sort, ..Question::default() })
}

/// The words. Any character may stand in them; only their number is bounded.
fn words(params: &mut Params) -> Result<String, Problem> {
    let q = params.text("q")?.unwrap_or_default().to_owned();
    if q.chars().count() > QUERY_CHARS_MAX {
        return Err(Problem::bad_parameter("q", format!("it has at most {QUERY_CHARS_MAX} characters")));
    }
    Ok(q)
}
