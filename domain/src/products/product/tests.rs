//! Every row of a product's `decide`, and what holds for any sequence of commands and events.

use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use event_schemas::Currency;
use event_schemas::products::ProductEvent;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::tests::{Decides, a_repeat_adds_nothing, any_event_is_taken_and_stored, carry_out};
use crate::{Folded as _, shape};

mod forms;
mod leases;

const ALL_EDITS: [fn() -> Edit; 6] =
    [|| Edit::Propose, || Edit::Approve, reject, || Edit::Unlist, || Edit::Publish, || Edit::Archive];

fn given(events: Vec<ProductEvent>) -> AggregateTestExecutor<Product> {
    TestFramework::with(()).given(events)
}

/// Minutes after some noon.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_micros(1_795_000_000_000_000 + minutes * 60_000_000).unwrap()
}

fn draft_of(shown: Shown, skus: &[&str]) -> Draft {
    let variants = skus.iter().map(|sku| Variant { sku: sku.parse().unwrap(), title: "Red".into() }).collect();
    Draft { product: ProductId(Uuid::from_u128(3)), seller: AccountId(Uuid::from_u128(1)), shown, variants }
}

fn shown() -> Shown {
    Shown {
        title: "Mug".into(),
        description: "Holds tea.".into(),
        price: Money { amount_minor: 1200, currency: Currency::USD },
        categories: vec!["kitchen".into()],
        media: None,
    }
}

fn draft() -> ProductCommand {
    ProductCommand::Draft(Box::new(draft_of(shown(), &["MUG-RED"])))
}

fn drafted() -> ProductEvent {
    let Draft { product, seller, shown, variants } = draft_of(shown(), &["MUG-RED"]);
    let Shown { title, description, price, categories, media } = shown;
    ProductEvent::ProductDrafted { product, seller, title, description, price, categories, media, variants }
}

fn edit(edit: Edit) -> ProductCommand {
    ProductCommand::Edit { by: "ana".into(), at: at(0), edit }
}

fn revise(changes: Changes) -> ProductCommand {
    edit(Edit::Revise(Box::new(changes)))
}

fn reject() -> Edit {
    Edit::Reject { reason: "blurred".into() }
}

fn rejected() -> ProductEvent {
    ProductEvent::ProductRejected { reason: "blurred".into() }
}

/// What happened to a product in each stage.
fn stages() -> [Vec<ProductEvent>; 5] {
    use ProductEvent::{ProductApproved, ProductArchived, ProductProposed, ProductUnlisted};
    [
        vec![drafted()],
        vec![drafted(), ProductProposed {}],
        vec![drafted(), ProductProposed {}, ProductApproved {}],
        vec![drafted(), ProductProposed {}, ProductApproved {}, ProductUnlisted {}],
        vec![drafted(), ProductArchived {}],
    ]
}

#[test]
fn a_product_is_drafted_once() {
    given(vec![]).when(draft()).then_expect_events(vec![drafted()]);
    given(vec![drafted()]).when(draft()).then_expect_events(vec![]);
    let retitled = ProductEvent::ProductRetitled { title: "Cup".into() };
    given(vec![drafted(), retitled, ProductEvent::ProductArchived {}]).when(draft()).then_expect_events(vec![]);
    let other = ProductCommand::Draft(Box::new(draft_of(shown(), &["MUG-BLUE"])));
    given(vec![drafted()]).when(other).then_expect_error(ProductError::AlreadyDrafted);
}

#[test]
fn only_what_is_published_is_offered_and_at_its_price() {
    let (sku, other) = ("MUG-RED".parse().unwrap(), "MUG-BLUE".parse().unwrap());
    let price = shown().price;
    let offer = Offer { seller: AccountId(Uuid::from_u128(1)), title: "Mug, Red".into(), price };
    let due = [
        Err(ProductError::NotForSale),
        Err(ProductError::NotForSale),
        Ok(offer),
        Err(ProductError::NotForSale),
        Err(ProductError::NotForSale),
    ];
    for (stage, due) in stages().into_iter().zip(due) {
        let mut product = Product::default();
        stage.into_iter().for_each(|event| product.evolve(event));
        assert_eq!(product.offer(&sku), due);
        assert_eq!(product.offer(&other), Err(ProductError::NoSuchVariant));
        assert_eq!(product.offers_at(&sku, price), due.map(|_| ()));
    }
    assert_eq!(Product::default().offer(&sku), Err(ProductError::NotFound));
    let mut product = Product::default();
    let now = Money { amount_minor: 1400, ..price };
    stages()[2].iter().cloned().chain([ProductEvent::ProductRepriced { price: now }]).for_each(|e| product.evolve(e));
    assert_eq!(product.offers_at(&sku, price), Err(ProductError::PriceChanged { now }));
}

#[test]
fn nothing_is_done_to_what_is_not_there() {
    let take = ProductCommand::TakeLease { by: "ana".into(), until: at(5), at: at(0) };
    let release = ProductCommand::ReleaseLease { by: "ana".into(), at: at(0) };
    let edits = ALL_EDITS.map(|one| edit(one()));
    for command in edits.into_iter().chain([take, release, revise(Changes::default())]) {
        given(vec![]).when(command).then_expect_error(ProductError::NotFound);
    }
}

/// The whole table: a row for each stage, a column for each edit.
#[test]
fn every_stage_takes_every_edit_as_the_table_says() {
    use ProductError::{Archived, NotADraft, NotApproved, NotProposed};
    use ProductEvent::{ProductApproved, ProductArchived, ProductProposed, ProductRelisted, ProductUnlisted};
    let (yes, no) = (|event| Ok(vec![event]), |error| Err::<Vec<ProductEvent>, _>(error));
    let holds = || Ok(vec![]);
    let archived = || yes(ProductArchived {});
    let table = [
        // propose, approve, reject, unlist, publish, archive
        [yes(ProductProposed {}), no(NotProposed), no(NotProposed), no(NotApproved), no(NotApproved), archived()],
        [holds(), yes(ProductApproved {}), yes(rejected()), no(NotApproved), no(NotApproved), archived()],
        [no(NotADraft), holds(), no(NotProposed), yes(ProductUnlisted {}), holds(), archived()],
        [no(NotADraft), no(NotProposed), no(NotProposed), holds(), yes(ProductRelisted {}), archived()],
        [no(Archived), no(Archived), no(Archived), no(Archived), no(Archived), holds()],
    ];
    for (before, row) in stages().into_iter().zip(table) {
        for (one, expected) in ALL_EDITS.into_iter().zip(row) {
            let mut product = Product::default();
            before.iter().cloned().for_each(|event| product.evolve(event));
            assert_eq!(product.decide(edit(one())), expected, "{:?} after {before:?}", one());
        }
    }
}

#[test]
fn what_was_rejected_is_a_draft_that_knows_why() {
    let before = vec![drafted(), ProductEvent::ProductProposed {}, rejected()];
    given(before.clone()).when(edit(reject())).then_expect_events(vec![]);
    let other = Edit::Reject { reason: "too dear".into() };
    given(before.clone()).when(edit(other)).then_expect_error(ProductError::NotProposed);
    given(before.clone()).when(edit(Edit::Propose)).then_expect_events(vec![ProductEvent::ProductProposed {}]);
    let again = [before, vec![ProductEvent::ProductProposed {}]].concat();
    given(again).when(edit(reject())).then_expect_events(vec![rejected()]);
}

#[test]
fn each_field_that_becomes_another_one_is_an_event() {
    let price = Money { amount_minor: 1, currency: "EUR".parse().unwrap() };
    let changes = Changes {
        title: Some("Cup".into()),
        description: Some(String::new()),
        price: Some(price),
        categories: Some(vec!["gifts".into()]),
        media: Some(Some("https://media.example.org/cup.jpg".into())),
    };
    let all = vec![
        ProductEvent::ProductRetitled { title: "Cup".into() },
        ProductEvent::ProductDescribed { description: String::new() },
        ProductEvent::ProductRepriced { price },
        ProductEvent::ProductRecategorized { categories: vec!["gifts".into()] },
        ProductEvent::ProductIllustrated { media: Some("https://media.example.org/cup.jpg".into()) },
    ];
    let [draft, proposed, published, unlisted, archived] = stages();
    for before in [draft, published, unlisted] {
        given(before.clone()).when(revise(changes.clone())).then_expect_events(all.clone());
        let after = [before, all.clone()].concat();
        given(after.clone()).when(revise(changes.clone())).then_expect_events(vec![]);
        let none = Changes { media: Some(None), ..Changes::default() };
        given(after).when(revise(none)).then_expect_events(vec![ProductEvent::ProductIllustrated { media: None }]);
    }
    given(proposed.clone()).when(revise(changes.clone())).then_expect_error(ProductError::InReview);
    given(archived.clone()).when(revise(changes)).then_expect_error(ProductError::Archived);
    for before in [proposed, archived] {
        given(before.clone()).when(revise(Changes::default())).then_expect_events(vec![]);
        let same = Changes { title: Some("Mug".into()), media: Some(None), ..Changes::default() };
        given(before).when(revise(same)).then_expect_events(vec![]);
    }
}

#[test]
fn refusals_keep_their_kinds_and_codes() {
    use ProductError as E;
    let leased = E::Leased { by: "bob".into(), until: at(0) };
    assert!(leased.to_string().starts_with("`bob` edits this product until 2026-"), "{leased}");
    let all = [
        (E::NotFound, Kind::Missing, "product-not-found"),
        (leased, Kind::Locked, "product-leased"),
        (E::AlreadyDrafted, Kind::Conflict, "product-exists"),
        (E::NotADraft, Kind::Conflict, "product-not-a-draft"),
        (E::NotProposed, Kind::Conflict, "product-not-proposed"),
        (E::NotApproved, Kind::Conflict, "product-not-approved"),
        (E::InReview, Kind::Conflict, "product-in-review"),
        (E::Archived, Kind::Conflict, "product-archived"),
        (E::BadTitle, Kind::Invalid, "product-title-invalid"),
        (E::BadDescription, Kind::Invalid, "product-description-invalid"),
        (E::BadPrice, Kind::Invalid, "product-price-out-of-range"),
        (E::BadCategories, Kind::Invalid, "product-categories-invalid"),
        (E::BadMedia, Kind::Invalid, "product-media-invalid"),
        (E::BadVariants, Kind::Invalid, "product-variants-invalid"),
        (E::BadReason, Kind::Invalid, "product-reason-invalid"),
        (E::BadLease, Kind::Invalid, "product-lease-out-of-range"),
        (E::NotForSale, Kind::Conflict, "product-not-for-sale"),
        (E::NoSuchVariant, Kind::Missing, "product-variant-not-found"),
        (
            E::PriceChanged { now: Money { amount_minor: 1, currency: Currency::USD } },
            Kind::Conflict,
            "product-price-changed",
        ),
    ];
    for (error, kind, code) in all {
        assert_eq!((error.kind(), error.code()), (kind, code));
    }
}

/// Stored copies of states are recognised by their shape: if this fails, raise `FOLD` and write the new state here.
#[test]
fn the_golden_stream_still_folds_to_the_same_state() {
    let mut product = Product::default();
    let taken = ProductEvent::ProductLeaseTaken { by: "ana".into(), until: at(0) };
    let retitled = ProductEvent::ProductRetitled { title: "Cup".into() };
    for event in [drafted(), ProductEvent::ProductProposed {}, rejected(), retitled, taken] {
        product.evolve(event);
    }
    let shown = |title: &str| {
        format!(r#"{{"title":"{title}","description":"Holds tea.","price":{{"amount_minor":1200,"currency":"USD"}},"#)
            + r#""categories":["kitchen"],"media":null}"#
    };
    let (id, seller) = (Uuid::from_u128(3), Uuid::from_u128(1));
    let first = format!(r#"{{"product":"{id}","seller":"{seller}","shown":{},"#, shown("Mug"))
        + r#""variants":[{"sku":"MUG-RED","title":"Red"}]}"#;
    let rest =
        format!(r#""stage":{{"Draft":{{"rejected":"blurred"}}}},"lease":{{"by":"ana","until":"{}"}}}}}}"#, at(0));
    assert_eq!(Product::FOLD, 1);
    let golden = format!(r#"{{"Drafted":{{"first":{first},"shown":{},{rest}"#, shown("Cup"));
    assert_eq!(serde_json::to_string(&product).unwrap(), golden);
    assert!(shape::<Product>().starts_with("product/1/{"));
}

/// Few values, so that sequences often meet the same one again; some of them unfit.
fn commands() -> impl Strategy<Value = ProductCommand> {
    let by = || prop_oneof![Just("ana".to_owned()), Just("bob".to_owned())];
    let title = prop_oneof![Just("Mug"), Just("Cup"), Just("")].prop_map(str::to_owned);
    let changes = (prop::option::of(title), prop::option::of(prop::option::of(Just("https://a.b/c".to_owned()))))
        .prop_map(|(title, media)| Edit::Revise(Box::new(Changes { title, media, ..Changes::default() })));
    let other = (0..ALL_EDITS.len()).prop_map(|index| ALL_EDITS[index]());
    let skus = prop_oneof![Just(vec!["A"]), Just(vec!["B"]), Just(vec![])];
    prop_oneof![
        2 => skus.prop_map(|skus| ProductCommand::Draft(Box::new(draft_of(shown(), &skus)))),
        6 => (by(), 0i64..4, prop_oneof![changes, other])
            .prop_map(|(by, minutes, edit)| ProductCommand::Edit { by, at: at(minutes), edit }),
        1 => (by(), 0i64..4, 0i64..4)
            .prop_map(|(by, until, now)| ProductCommand::TakeLease { by, until: at(until), at: at(now) }),
        1 => (by(), 0i64..4).prop_map(|(by, now)| ProductCommand::ReleaseLease { by, at: at(now) }),
    ]
}

impl Decides for Product {
    fn decide(&self, command: ProductCommand) -> Result<Vec<ProductEvent>, ProductError> {
        self.decide(command)
    }
}

proptest! {
    #[test]
    fn any_command_twice_adds_nothing_the_second_time(
        before in prop::collection::vec(commands(), 0..12),
        command in commands(),
    ) {
        a_repeat_adds_nothing::<Product>(before, command)?;
    }

    #[test]
    fn a_product_is_drafted_first_and_archived_last(all in prop::collection::vec(commands(), 0..30)) {
        let mut product = Product::default();
        let events: Vec<_> =
            all.into_iter().filter_map(|command| carry_out(&mut product, command).ok()).flatten().collect();
        for (index, event) in events.iter().enumerate() {
            prop_assert_eq!(matches!(event, ProductEvent::ProductDrafted { .. }), index == 0);
        }
        let gone = events.iter().position(|event| matches!(event, ProductEvent::ProductArchived {}));
        let after = gone.map_or(&[][..], |index| &events[index + 1..]);
        prop_assert!(after.iter().all(|event| matches!(event, ProductEvent::ProductLeaseReleased {})), "{:?}", after);
    }

    #[test]
    fn evolve_takes_any_event_and_its_state_survives_storage(all in prop::collection::vec(commands(), 0..30)) {
        let mut product = Product::default();
        let events: Vec<_> =
            all.into_iter().filter_map(|command| carry_out(&mut product, command).ok()).flatten().collect();
        any_event_is_taken_and_stored::<Product>(events.iter().rev().cloned())?;
        any_event_is_taken_and_stored::<Product>(events.into_iter())?;
    }
}
