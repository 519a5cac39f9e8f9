//! What a draft and a change may hold.

use super::*;

fn drafting(shown: Shown) -> ProductCommand {
    ProductCommand::Draft(Box::new(draft_of(shown, &["MUG-RED"])))
}

fn refuse(shown: Shown, error: ProductError) {
    given(vec![]).when(drafting(shown.clone())).then_expect_error(error.clone());
    // Also after a good one: what is wrong in itself is said before what it contradicts.
    given(vec![drafted()]).when(drafting(shown)).then_expect_error(error);
}

fn accept(shown: Shown) {
    let command = drafting(shown);
    assert!(Product::default().decide(command.clone()).is_ok_and(|events| events.len() == 1), "{command:?}");
}

#[test]
fn a_title_says_something_and_is_short() {
    for bad in ["", "  ", "a\nb", "\0", &"x".repeat(TITLE_CHARS_MAX + 1)] {
        refuse(Shown { title: bad.into(), ..shown() }, ProductError::BadTitle);
        let changes = Changes { title: Some(bad.into()), ..Changes::default() };
        given(vec![drafted()]).when(revise(changes)).then_expect_error(ProductError::BadTitle);
    }
    accept(Shown { title: "ü".repeat(TITLE_CHARS_MAX), ..shown() });
}

#[test]
fn a_description_may_have_lines_and_may_be_empty() {
    for bad in ["\0", "\u{1b}[31m", &"x".repeat(DESCRIPTION_CHARS_MAX + 1)] {
        refuse(Shown { description: bad.into(), ..shown() }, ProductError::BadDescription);
    }
    for good in ["", "one\r\n\ttwo", &"ü".repeat(DESCRIPTION_CHARS_MAX)] {
        accept(Shown { description: good.into(), ..shown() });
    }
}

#[test]
fn a_price_may_be_nothing_but_not_less_or_absurd() {
    let priced = |amount_minor| Shown { price: Money { amount_minor, currency: Currency::USD }, ..shown() };
    for bad in [-1, i64::MIN, PRICE_MINOR_MAX + 1, i64::MAX] {
        refuse(priced(bad), ProductError::BadPrice);
    }
    for good in [0, PRICE_MINOR_MAX] {
        accept(priced(good));
    }
}

#[test]
fn categories_are_few_different_slugs() {
    let under = |categories: Vec<String>| Shown { categories, ..shown() };
    for bad in ["", "Kitchen", "a b", "-a", "a-", "a--b", "ü", &"x".repeat(65)] {
        refuse(under(vec![bad.into()]), ProductError::BadCategories);
    }
    refuse(under(vec!["a".into(), "a".into()]), ProductError::BadCategories);
    refuse(under((0..=CATEGORIES_MAX).map(|number| format!("c{number}")).collect()), ProductError::BadCategories);
    accept(under((0..CATEGORIES_MAX).map(|number| format!("tea-mugs-{number}")).collect()));
    accept(under(vec![]));
}

#[test]
fn media_is_an_address_of_the_web() {
    let pictured = |media: &str| Shown { media: Some(media.into()), ..shown() };
    let long = format!("https://a.b/{}", "x".repeat(2048));
    for bad in [
        "",
        "mug.jpg",
        "ftp://a.b/c",
        "javascript:alert(1)",
        "https://",
        "https:///a",
        "https://a b",
        "http://ü",
        &long,
    ] {
        refuse(pictured(bad), ProductError::BadMedia);
    }
    for good in ["https://media.example.org/mug.jpg?w=1#top", "http://localhost:8080"] {
        accept(pictured(good));
    }
}

#[test]
fn variants_are_told_apart_by_their_sku() {
    let with = |skus: &[&str]| ProductCommand::Draft(Box::new(draft_of(shown(), skus)));
    let many: Vec<String> = (0..=VARIANTS_MAX).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for bad in [&[][..], &["A", "A"], &many] {
        given(vec![]).when(with(bad)).then_expect_error(ProductError::BadVariants);
    }
    assert!(Product::default().decide(with(&many[..VARIANTS_MAX])).is_ok());
    let mut untitled = draft_of(shown(), &["A"]);
    untitled.variants[0].title = " ".into();
    given(vec![]).when(ProductCommand::Draft(Box::new(untitled))).then_expect_error(ProductError::BadVariants);
}

#[test]
fn a_rejection_gives_a_reason() {
    for reason in ["", " ", "a\0b", &"x".repeat(REASON_CHARS_MAX + 1)] {
        let command = edit(Edit::Reject { reason: reason.into() });
        for before in stages() {
            given(before).when(command.clone()).then_expect_error(ProductError::BadReason);
        }
    }
}
