//! Made-up products, the same in every run, and what people ask for among them.

use domain::products::{Draft, Shown};
use event_schemas::ids::{AccountId, ProductId};
use event_schemas::products::Variant;
use event_schemas::{Currency, Money};
use uuid::Uuid;

const KINDS: [&str; 20] = [
    "mug", "teapot", "kettle", "lamp", "chair", "table", "blanket", "pillow", "jacket", "boots", "backpack", "tent",
    "guitar", "keyboard", "camera", "bicycle", "watch", "notebook", "knife", "basket",
];
const STUFFS: [&str; 12] = [
    "ceramic", "wooden", "leather", "cotton", "woollen", "copper", "bamboo", "glass", "linen", "carbon", "marble",
    "rubber",
];
const KINDS_OF_USE: [&str; 10] =
    ["travel", "kitchen", "garden", "office", "winter", "summer", "camping", "children", "classic", "folding"];
const SYLLABLES: [&str; 16] =
    ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "fen", "gor", "hal", "jin", "pel", "sun"];
const DESCRIPTION_WORDS: u64 = 24;
/// Made-up words, of which few are frequent and most are rare, as in a language.
const VOCABULARY: u64 = 30_000;

/// Numbers that look like chance (SplitMix64).
pub(crate) fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn one_of<'a>(of: &[&'a str], seed: u64) -> &'a str {
    of[usize::try_from(mixed(seed) % of.len() as u64).unwrap_or_default()]
}

/// The made-up word with this number.
fn word(number: u64) -> String {
    (0..3).map(|at| SYLLABLES[usize::try_from(number >> (4 * at) & 15).unwrap_or_default()]).collect::<String>()
        + SYLLABLES[usize::try_from(number >> 12 & 15).unwrap_or_default()]
}

/// A word by chance: the square makes small numbers frequent.
fn any_word(seed: u64) -> String {
    let part = mixed(seed) % 10_000;
    word(part * part * VOCABULARY / 100_000_000)
}

/// The id of a product.
pub(crate) fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number) + 1)
}

/// The draft of a product.
pub(crate) fn draft(number: u64) -> Draft {
    let seed = number * 100;
    let (stuff, used, kind) = (one_of(&STUFFS, seed), one_of(&KINDS_OF_USE, seed + 1), one_of(&KINDS, seed + 2));
    let description: Vec<_> = (0..DESCRIPTION_WORDS).map(|at| any_word(seed + 10 + at)).collect();
    let sku = format!("S-{number}").parse().expect("letters and digits");
    Draft {
        product: ProductId(id(number)),
        seller: AccountId(Uuid::from_u128(u128::from(number % 1_000))),
        shown: Shown {
            title: format!("{stuff} {used} {kind} {}", any_word(seed + 3)),
            description: format!("{kind} of {stuff}. {}.", description.join(" ")),
            price: Money {
                amount_minor: i64::try_from(mixed(seed + 4) % 50_000).unwrap_or_default(),
                currency: Currency::USD,
            },
            categories: vec![used.to_owned(), format!("{kind}s")],
            media: None,
        },
        variants: vec![Variant { sku, title: "One size".to_owned() }],
    }
}

/// What is asked: one word, two, three, the beginning of one, and one with a filter, in turn.
pub(super) fn query(number: u64) -> String {
    let seed = 1_000_000_000 + number * 10;
    let (stuff, used, kind) = (one_of(&STUFFS, seed), one_of(&KINDS_OF_USE, seed + 1), one_of(&KINDS, seed + 2));
    match number % 5 {
        0 => kind.to_owned(),
        1 => format!("{stuff} {kind}"),
        2 => format!("{used} {stuff} {kind}"),
        3 => format!("{kind} {}", any_word(seed + 3)),
        _ => any_word(seed + 4),
    }
}
