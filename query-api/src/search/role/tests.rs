use super::*;

fn history(number: u128) -> History {
    History(Uuid::from_u128(number))
}

#[test]
fn the_role_is_told_the_newest_position_of_each_history_of_the_products() {
    let mut token = ConsistencyToken::of("products", history(1), &[(0, Position(7)), (3, Position(9))]);
    token.merge(ConsistencyToken::of("products", history(2), &[(1, Position(4))]));
    token.merge(ConsistencyToken::of("orders", history(3), &[(0, Position(70))]));
    let told = contained(&token).unwrap();
    assert_eq!(told, format!("{}:9,{}:4", history(1), history(2)));
    assert_eq!(contained(&ConsistencyToken::of("orders", history(3), &[(0, Position(70))])), None);
}
