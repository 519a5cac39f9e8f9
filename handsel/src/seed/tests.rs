//! A market is the same for the same seed, and has something of everything.

use std::collections::{BTreeMap, BTreeSet};

use super::dice::{Dice, Zipf};
use super::market::Market;
use super::products::Stage;

fn all(market: &Market) -> String {
    format!("{:?}", (market.accounts(), market.products(), market.orders(), market.last_account()))
}

#[test]
fn the_same_seed_makes_the_same_market_and_another_one_another() {
    assert_eq!(all(&Market::new(7, 40)), all(&Market::new(7, 40)));
    let ids = |market: &Market| market.plans().1.iter().map(|order| order.id).collect::<BTreeSet<_>>();
    for other in [Market::new(8, 40), Market::new(7, 41)] {
        assert!(ids(&Market::new(7, 40)).is_disjoint(&ids(&other)), "nothing of one is taken for the other's");
    }
}

#[test]
fn a_market_has_orders_at_every_stage_and_products_too() {
    let (products, orders) = Market::new(1, 400).plans();
    let mut fates = BTreeMap::new();
    orders.iter().for_each(|order| *fates.entry(order.fate).or_insert(0) += 1);
    assert_eq!(fates.len(), 10, "{fates:?}");
    for stage in [Stage::Draft, Stage::Proposed, Stage::Published, Stage::SoldOut, Stage::Unlisted] {
        assert!(products.iter().any(|product| product.stage == stage), "{stage:?}");
    }
    for order in &orders {
        assert!(!order.lines.is_empty());
        let sellers: BTreeSet<_> = order.lines.iter().map(|(place, ..)| products[*place].seller).collect();
        assert_eq!(sellers.len(), 1, "an order is of one seller");
    }
}

#[test]
fn the_smallest_market_is_one_too() {
    for size in 0..5 {
        let market = Market::new(3, size);
        assert_eq!(market.orders().len(), usize::try_from(size).unwrap());
        let jobs = market.accounts().len() + market.products().len() + market.orders().len() + 1;
        assert_eq!(jobs as u64, market.jobs());
    }
}

#[test]
fn few_are_wanted_often() {
    let (zipf, mut dice) = (Zipf::new(100), Dice::new(5));
    let mut drawn = [0_u32; 100];
    (0..10_000).for_each(|_| drawn[zipf.draw(&mut dice)] += 1);
    // The first one's share is 1/H(100) = 0.193, the tenth's a tenth of that.
    assert!((1_800..2_060).contains(&drawn[0]), "{}", drawn[0]);
    assert!((130..260).contains(&drawn[9]), "{}", drawn[9]);
}
