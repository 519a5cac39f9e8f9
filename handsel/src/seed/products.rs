//! What is sold.

use event_schemas::Sku;
use serde_json::json;
use uuid::Uuid;

use super::dice::Dice;
use super::market::Market;
use crate::client::{Job, Request, Step};

const THINGS: [(&str, &str); 16] = [
    ("mug", "kitchen"),
    ("teapot", "kitchen"),
    ("bowl", "kitchen"),
    ("scarf", "clothing"),
    ("socks", "clothing"),
    ("apron", "clothing"),
    ("notebook", "stationery"),
    ("pencil case", "stationery"),
    ("lamp", "home"),
    ("vase", "home"),
    ("candle", "home"),
    ("blanket", "home"),
    ("puzzle", "toys"),
    ("kite", "toys"),
    ("watering can", "garden"),
    ("bird house", "garden"),
];
const KINDS: [&str; 12] =
    ["Blue", "Handmade", "Large", "Light", "Little", "Old", "Painted", "Plain", "Round", "Striped", "Warm", "Wooden"];
const FORMS: [(&str, &str); 4] = [("RED", "Red"), ("BLUE", "Blue"), ("GREEN", "Green"), ("BLACK", "Black")];
const VARIANTS_MAX: u64 = 4;
/// Sums over several currencies would have to be asked for one by one.
const CURRENCY: &str = "USD";

/// How far a product has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Draft,
    Proposed,
    Published,
    /// On sale, and none are there.
    SoldOut,
    Unlisted,
}

/// A product before it is made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) id: Uuid,
    pub(super) seller: usize,
    pub(super) stage: Stage,
    pub(super) variants: Vec<Sku>,
    title: String,
    category: &'static str,
    price_minor: u64,
    /// How many of each variant lie there besides those that will be ordered.
    spare: u64,
}

pub(super) fn plan(market: &Market, index: usize, dice: &mut Dice) -> Plan {
    let (thing, category) = *dice.one(&THINGS);
    let seller = usize::try_from(dice.below(market.sellers as u64)).unwrap_or_default();
    let count = usize::try_from(1 + dice.below(VARIANTS_MAX)).unwrap_or(1);
    let variants = FORMS[..count].iter().filter_map(|(sku, _)| sku.parse().ok()).collect();
    // The first ones, which are wanted most, are on sale.
    let stage = match index {
        1 => Stage::SoldOut,
        0..4 => Stage::Published,
        _ => match dice.below(20) {
            0 => Stage::Draft,
            1 => Stage::Proposed,
            2 => Stage::Unlisted,
            _ => Stage::Published,
        },
    };
    Plan {
        id: market.id("product", index),
        seller,
        stage,
        variants,
        title: format!("{} {thing}", dice.one(&KINDS)),
        category,
        price_minor: 300 + 50 * dice.below(180),
        spare: 1 + dice.below(30),
    }
}

/// The product, with as many pieces as `wanted` says of each variant and some more.
pub(super) fn job(market: &Market, index: usize, plan: &Plan, wanted: impl Fn(&Sku) -> u64) -> Job {
    let Plan { id, seller, stage, variants, title, category, price_minor, spare } = plan;
    let forms: Vec<_> = variants.iter().zip(FORMS).map(|(sku, (_, form))| json!({"sku": sku, "title": form})).collect();
    let body = json!({
        "product": id, "seller": market.seller_id(*seller), "title": title,
        "description": format!("A {} for {category}, from the demo market.", title.to_lowercase()),
        "price": {"amount_minor": price_minor, "currency": CURRENCY}, "categories": [category], "variants": forms});
    let key = |step: &str| Uuid::new_v5(id, step.as_bytes());
    let mut steps = vec![Request::post("/v1/products", key("draft"), &body)];
    if *stage != Stage::SoldOut {
        steps.extend(variants.iter().map(|sku| {
            let path = format!("/v1/products/{id}/stock/{sku}/receive");
            let body = json!({"quantity": wanted(sku) + spare});
            Request::post(path, key(&format!("receive {sku}")), &body).expecting(0)
        }));
    }
    let moves: &[&str] = match stage {
        Stage::Draft => &[],
        Stage::Proposed => &["propose"],
        Stage::Published | Stage::SoldOut => &["propose", "approve"],
        Stage::Unlisted => &["propose", "approve", "unlist"],
    };
    let moves = moves.iter().zip(1..);
    steps.extend(
        moves.map(|(name, version)| Request::bare(format!("/v1/products/{id}/{name}"), key(name)).expecting(version)),
    );
    Job { name: format!("product {}", index + 1), steps: steps.into_iter().map(Step::Ask).collect() }
}
