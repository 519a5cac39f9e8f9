//! Tokens travel unchanged or not at all.

use super::*;

fn key() -> TokenKey {
    TokenKey::new([7; 32])
}

fn token(history: u128, entries: &[(&str, i32, i64)]) -> ConsistencyToken {
    let history = History(Uuid::from_u128(history));
    let entries =
        entries.iter().map(|(context, partition, at)| (((*context).to_owned(), *partition), (history, Position(*at))));
    ConsistencyToken { touched: entries.collect() }
}

#[test]
fn a_token_comes_back_as_it_went() {
    for token in [token(1, &[]), token(1, &[("orders", 0, 1), ("orders", 5, i64::MAX), ("identity", -1, 9)])] {
        assert_eq!(ConsistencyToken::decode(&key(), &token.encode(&key())), Some(token));
    }
}

#[test]
fn a_changed_or_foreign_token_is_refused() {
    let text = token(1, &[("orders", 0, 1)]).encode(&key());
    assert_eq!(ConsistencyToken::decode(&TokenKey::new([8; 32]), &text), None);
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(ConsistencyToken::decode(&key(), std::str::from_utf8(&changed).unwrap()), None);
        assert_eq!(ConsistencyToken::decode(&key(), &text[..at]), None);
    }
}

#[test]
fn tokens_merge_by_maximum() {
    let mut merged = token(1, &[("orders", 0, 5), ("orders", 1, 5)]);
    merged.merge(token(1, &[("orders", 0, 3), ("orders", 1, 8), ("identity", 0, 1)]));
    assert_eq!(merged, token(1, &[("orders", 0, 5), ("orders", 1, 8), ("identity", 0, 1)]));
}

#[test]
fn of_two_histories_the_one_merged_last_stays() {
    let mut merged = token(1, &[("orders", 0, 5)]);
    merged.merge(token(2, &[("orders", 0, 3)]));
    assert_eq!(merged, token(2, &[("orders", 0, 3)]));
}
