//! A product of a shop: drafted, proposed and approved, with the stock of its variants.

use std::collections::BTreeSet;

use domain::products::{CATEGORIES_MAX, Draft, Product, ProductCommand, Shown, Stock, StockCommand};
use event_schemas::ids::{AccountId, ProductId};
use event_schemas::products::Variant;
use event_schemas::{Currency, Money, Sku};
use serde_json::json;
use uuid::Uuid;

use super::amounts;
use super::groups::{Bad, Group};
use super::plan::{Counts, Shop, Thing, at, needed};
use crate::client::{Request, Step};

const SLUG_CHARS_MAX: usize = 64;
/// As Shopify calls the variant of a product that has no others.
const NO_VARIANT: &str = "Default Title";

/// How many there are of each variant.
type Pieces = Vec<(Sku, i64)>;

/// How far a product is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Draft,
    Published,
    Unlisted,
    Archived,
}

pub(super) fn thing(shop: &Shop, group: &Group) -> Result<Thing, Bad> {
    let product = shop.id_of("product", &group.id);
    let (title_line, title) = needed(shop, group, "title")?;
    let (_, seller) = needed(shop, group, "seller")?;
    let (variants, pieces) = variants(shop, group, &title)?;
    let text = |target| group.first(&shop.mapping, target).map(|(_, text)| text);
    let state = match group.first(&shop.mapping, "state") {
        Some((line, text)) => at(line, state(&text))?,
        None => State::Published,
    };
    let shown = Shown {
        title,
        description: text("description").unwrap_or_default(),
        price: price(shop, group)?,
        categories: categories(&text("categories").unwrap_or_default()),
        media: text("media"),
    };
    let draft = Draft { product: ProductId(product), seller: AccountId(shop.account(&seller)), shown, variants };
    at(title_line, Product::default().decide(ProductCommand::Draft(Box::new(draft.clone()))))?;
    let Draft { seller, shown, variants, .. } = draft;
    let mut body = json!({"product": product, "seller": seller, "title": shown.title,
                          "description": shown.description, "price": shown.price, "categories": shown.categories,
                          "variants": variants});
    if let Some(media) = shown.media {
        body["media"] = json!(media);
    }
    let stocked: u64 = pieces.iter().map(|(_, quantity)| quantity.unsigned_abs()).sum();
    let counts = Counts { parts: variants.len() as u64, pieces: stocked };
    Ok(Thing { steps: steps(shop, product, &body, state, &pieces), body, counts })
}

/// Each step is made for the version that the one before leaves: what somebody changed here since stays as it is.
fn steps(shop: &Shop, product: Uuid, body: &serde_json::Value, state: State, pieces: &[(Sku, i64)]) -> Vec<Step> {
    let mut steps = vec![Request::post("/v1/products", shop.key(product, "draft"), body)];
    // What came in is counted before anybody can buy it.
    steps.extend(pieces.iter().filter(|(_, quantity)| *quantity > 0).map(|(sku, quantity)| {
        let path = format!("/v1/products/{product}/stock/{sku}/receive");
        let key = shop.key(product, &format!("receive {sku}"));
        Request::post(path, key, &json!({"quantity": quantity})).expecting(0)
    }));
    let moves: &[&str] = match state {
        State::Draft => &[],
        // Approving publishes it.
        State::Published => &["propose", "approve"],
        State::Unlisted => &["propose", "approve", "unlist"],
        State::Archived => &["archive"],
    };
    steps.extend(moves.iter().zip(1..).map(|(name, version)| {
        Request::bare(format!("/v1/products/{product}/{name}"), shop.key(product, name)).expecting(version)
    }));
    steps.into_iter().map(Step::Ask).collect()
}

/// One for each row that names one, and how many pieces of it are there.
fn variants(shop: &Shop, group: &Group, title: &str) -> Result<(Vec<Variant>, Pieces), Bad> {
    let (mut variants, mut pieces) = (Vec::new(), Vec::new());
    for (index, (line, row)) in group.rows.iter().enumerate() {
        let cell = |target| shop.mapping.cell(row, target);
        let says = ["sku", "variant", "price", "price_minor"].iter().any(|target| cell(target).is_some());
        // A row that only has another picture of the product, as Shopify writes them.
        if index > 0 && !says {
            continue;
        }
        let sku: Sku = at(*line, cell("sku").unwrap_or_else(|| format!("{}", index + 1)).parse())?;
        let called = cell("variant").filter(|called| called != NO_VARIANT);
        let called = called.unwrap_or_else(|| if cell("sku").is_some() { sku.to_string() } else { title.to_owned() });
        let quantity = cell("stock").map_or(Ok(0), |text| at(*line, amounts::pieces(&text)))?;
        if quantity > 0 {
            let receive = StockCommand::Receive { product: ProductId(Uuid::nil()), sku: sku.clone(), quantity };
            at(*line, Stock::default().decide(receive))?;
        }
        variants.push(Variant { sku: sku.clone(), title: called });
        pieces.push((sku, quantity));
    }
    Ok((variants, pieces))
}

/// What a piece costs: the same in every row, because all variants of a product cost the same here.
fn price(shop: &Shop, group: &Group) -> Result<Money, Bad> {
    let (line, currency) = needed(shop, group, "currency")?;
    let currency: Currency = at(line, currency.parse())?;
    let in_minor = shop.mapping.fills("price_minor");
    let target = if in_minor { "price_minor" } else { "price" };
    let mut found: Option<(u64, i64)> = None;
    for (line, row) in &group.rows {
        let Some(text) = shop.mapping.cell(row, target) else { continue };
        let read =
            if in_minor { amounts::whole(&text) } else { amounts::minor_units(&text, currency, shop.decimal_mark) };
        let amount = at(*line, read)?;
        match found {
            Some((first, before)) if before != amount => {
                let why = format!(
                    "`{}` costs {amount} {currency} here and {before} in line {first}, in minor units; all variants of \
                     a product cost the same: give those with another price an id of their own",
                    group.id
                );
                return Err(Bad { line: *line, why });
            }
            _ => found = Some((*line, amount)),
        }
    }
    let none = || Bad { line: group.line(), why: format!("`{}` has no {target}", group.id) };
    found.map(|(_, amount_minor)| Money { amount_minor, currency }).ok_or_else(none)
}

fn state(text: &str) -> Result<State, String> {
    match text.to_lowercase().as_str() {
        "published" | "active" | "true" | "yes" | "1" => Ok(State::Published),
        "draft" | "false" | "no" | "0" => Ok(State::Draft),
        "unlisted" => Ok(State::Unlisted),
        "archived" => Ok(State::Archived),
        _ => Err(format!("`{}` is no state; there are published, draft, unlisted and archived", amounts::shown(text))),
    }
}

/// The first ten, each in the form `tea-mugs`; what has no letter or digit of ASCII is left out.
fn categories(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = text.split([',', ';', '>', '|', '/']).map(slug);
    all.filter(|slug| !slug.is_empty() && seen.insert(slug.clone())).take(CATEGORIES_MAX).collect()
}

fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    joined.chars().take(SLUG_CHARS_MAX).collect::<String>().trim_end_matches('-').to_owned()
}
