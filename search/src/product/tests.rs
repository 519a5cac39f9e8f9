use std::sync::Arc;

use envelope::Cause;
use event_schemas::{Currency, Sku};
use uuid::Uuid;

use super::*;

pub(crate) fn product(number: u128) -> ProductId {
    ProductId(Uuid::from_u128(number))
}

pub(crate) fn recorded(position: i64, of: ProductId, sequence: i64, what: ProductEvent) -> Recorded<RawPayload> {
    let event = Event::from(what);
    Recorded {
        position: Position(position),
        context: Arc::from("products"),
        aggregate_type: Arc::from("product"),
        aggregate_id: of.to_string(),
        sequence,
        event_id: Uuid::from_u128(u128::from(position.unsigned_abs())),
        event_type: Arc::from(event.name()),
        event_version: Arc::from(event.version()),
        recorded_at: Timestamp::from_micros(position * 1_000_000).unwrap(),
        cause: Cause::new("ana", Uuid::nil()),
        data: RawPayload::new(event.fields().unwrap()).unwrap(),
    }
}

pub(crate) fn drafted(of: ProductId, title: &str) -> ProductEvent {
    ProductEvent::ProductDrafted {
        product: of,
        seller: AccountId(Uuid::from_u128(77)),
        title: title.to_owned(),
        description: format!("{title}, as described."),
        price: Money { amount_minor: 1200, currency: Currency::USD },
        categories: vec!["kitchen".to_owned()],
        media: None,
        variants: vec![Variant { sku: "S-1".parse::<Sku>().unwrap(), title: "Red".to_owned() }],
    }
}

fn fold(events: impl IntoIterator<Item = ProductEvent>) -> Option<Kept> {
    let each = (1..).zip(events);
    each.fold(None, |kept, (at, what)| after(kept, product(1), &recorded(at, product(1), at, what)))
}

fn shown(kept: Option<Kept>) -> Product {
    let Some(Kept::Product(product)) = kept else { panic!("{kept:?}") };
    product
}

#[test]
fn a_product_is_found_only_while_it_is_on_sale() {
    use ProductEvent as E;
    let steps = [
        (drafted(product(1), "Mug"), false),
        (E::ProductProposed {}, false),
        (E::ProductRejected { reason: "no".to_owned() }, false),
        (E::ProductProposed {}, false),
        (E::ProductApproved {}, true),
        (E::ProductUnlisted {}, false),
        (E::ProductRelisted {}, true),
        (E::ProductArchived {}, false),
    ];
    for count in 1..=steps.len() {
        let kept = fold(steps[..count].iter().map(|(event, _)| event.clone()));
        assert_eq!(kept.unwrap().listed().is_some(), steps[count - 1].1, "after {count} events");
    }
}

#[test]
fn changes_are_taken_over_and_the_approval_dates_it() {
    use ProductEvent as E;
    let price = Money { amount_minor: 900, currency: "EUR".parse().unwrap() };
    let kept = shown(fold([
        drafted(product(1), "Mug"),
        E::ProductProposed {},
        E::ProductApproved {},
        E::ProductRetitled { title: "Cup".to_owned() },
        E::ProductDescribed { description: "Holds tea.".to_owned() },
        E::ProductRepriced { price },
        E::ProductRecategorized { categories: vec![] },
        E::ProductUnlisted {},
        E::ProductRelisted {},
        E::ProductIllustrated { media: None },
    ]));
    assert_eq!((kept.title.as_str(), kept.description.as_str(), kept.price), ("Cup", "Holds tea.", price));
    assert!(kept.categories.is_empty());
    assert_eq!(kept.published_at, Timestamp::from_micros(3_000_000), "a product that comes back is not new");
}

#[test]
fn a_product_with_an_unreadable_event_is_set_aside_and_stays_so() {
    let mut strange = recorded(2, product(1), 2, ProductEvent::ProductApproved {});
    strange.event_type = Arc::from("ProductGilded");
    let before = fold([drafted(product(1), "Mug")]);
    let aside = after(before, product(1), &strange);
    assert_eq!(aside, Some(Kept::SetAside { product: product(1), position: Position(2) }));
    let later = recorded(3, product(1), 3, ProductEvent::ProductApproved {});
    assert_eq!(after(aside.clone(), product(1), &later), aside);
}

#[test]
fn without_its_draft_there_is_nothing_to_change() {
    assert_eq!(fold([ProductEvent::ProductApproved {}]), None);
}

#[test]
fn stock_is_of_no_interest() {
    let mut event = recorded(1, product(1), 1, drafted(product(1), "Mug"));
    assert_eq!(concerns(&event), Some(product(1)));
    (event.aggregate_type, event.aggregate_id) = (Arc::from("stock"), format!("{}/MUG-RED", product(1)));
    assert_eq!(concerns(&event), None);
}
