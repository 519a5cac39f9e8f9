//! Sixty queries with the products that somebody who typed them would want, as typed and with a slip of the finger.

use std::collections::BTreeMap;

use tests::{World, data};

use super::{catalogue, search};

/// The mean over all queries of one by the rank of the first product that was wanted.
const MRR_MIN: f64 = 0.9;
const MRR_MIN_WITH_TYPO: f64 = 0.8;
/// Whoever has to look further has not found it.
const LOOKED_AT: usize = 20;

struct Judged {
    query: String,
    wanted: Vec<String>,
}

fn judged() -> Vec<Judged> {
    let title = |product: &serde_json::Value| product["title"].as_str().unwrap().to_owned();
    let ids: BTreeMap<_, _> =
        (1..).zip(catalogue::all()).map(|(number, one)| (title(&one), catalogue::id(number))).collect();
    let text = std::fs::read_to_string(data("search/queries.tsv")).unwrap();
    let one = |line: &str| {
        let (query, wanted) = line.split_once('\t').unwrap();
        let wanted = wanted.split(';').map(|title| ids[title].clone()).collect();
        Judged { query: query.to_owned(), wanted }
    };
    text.lines().skip(1).map(one).collect()
}

/// One slip in the middle of the longest word: a letter is left out, doubled, swapped with its neighbour, or another.
fn with_typo(number: usize, query: &str) -> String {
    let longest = query.split(' ').max_by_key(|word| word.len()).unwrap();
    let mut letters: Vec<char> = longest.chars().collect();
    let middle = letters.len() / 2;
    match number % 4 {
        0 => _ = letters.remove(middle),
        1 => letters.insert(middle, letters[middle]),
        2 if letters[middle] != letters[middle - 1] => letters.swap(middle - 1, middle),
        _ => letters[middle] = if letters[middle] == 'x' { 'z' } else { 'x' },
    }
    query.replacen(longest, &letters.into_iter().collect::<String>(), 1)
}

async fn mean_reciprocal_rank(world: &World, token: &str, typed: impl Fn(usize, &str) -> String) -> f64 {
    let judged = judged();
    let mut sum = 0.0;
    for (number, one) in judged.iter().enumerate() {
        let query = typed(number, &one.query);
        let escaped = query.replace(' ', "+");
        let page = search(&world.app, &format!("q={escaped}&limit={LOOKED_AT}"), token).await;
        let rank = super::found(&page).iter().position(|product| one.wanted.iter().any(|wanted| wanted == product));
        if rank != Some(0) {
            eprintln!("`{query}`: the first that was wanted has rank {:?}", rank.map(|rank| rank + 1));
        }
        sum += rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64);
    }
    sum / judged.len() as f64
}

#[tokio::test]
async fn sixty_queries_find_what_is_wanted_as_typed_and_with_a_slip() {
    assert_eq!(judged().len(), 60);
    assert!(catalogue::all().len() >= 200);
    let world = World::start().await;
    let token = catalogue::sell_all(&world.app).await;
    let typed = mean_reciprocal_rank(&world, &token, |_, query| query.to_owned()).await;
    let slipped = mean_reciprocal_rank(&world, &token, with_typo).await;
    eprintln!("mean reciprocal rank: {typed:.3} as typed, {slipped:.3} with one typo each");
    assert!(typed >= MRR_MIN, "{typed}");
    assert!(slipped >= MRR_MIN_WITH_TYPO, "{slipped}");
    world.app.stop().await;
}

#[test]
fn a_slip_changes_each_query_by_one_letter() {
    for (number, one) in judged().iter().enumerate() {
        let slipped = with_typo(number, &one.query);
        assert_ne!(slipped, one.query);
        assert!(slipped.len().abs_diff(one.query.len()) <= 1, "{slipped}");
    }
}
