use super::*;

fn plain_of(text: &str) -> (Vec<String>, bool) {
    let Words { words, open } = Words::of(text);
    (words.into_iter().map(|word| word.plain).collect(), open)
}

#[test]
fn case_and_accents_do_not_matter_and_words_come_once() {
    assert_eq!(plain_of("Café CAFE crème "), (vec!["cafe".to_owned(), "creme".to_owned()], false));
}

#[test]
fn the_last_word_may_go_on_unless_something_follows_it() {
    assert!(plain_of("red mu").1);
    assert!(!plain_of("red mu ").1);
    assert!(!plain_of("red mu!").1);
    assert!(!plain_of("").1);
    assert!(!plain_of("mug mug the").1, "what is left out does not go on");
}

#[test]
fn stop_words_count_only_where_nothing_else_is() {
    assert_eq!(plain_of("a mug for the tea").0, ["mug", "tea"]);
    assert_eq!(plain_of("the").0, ["the"]);
}

#[test]
fn nothing_that_can_be_typed_is_an_error() {
    let odd =
        ["", " ", "\"", "title:(", "+-&&||!(){}[]^~*?:\\/", "\u{202e}", "😀", "'; drop table", "a\nb", "ß", "日本語"];
    for text in odd {
        assert!(Words::of(text).words.len() <= 2, "{text}");
    }
    let long = "word ".repeat(100_000);
    assert!(Words::of(&long).words.len() <= WORDS_MAX);
    let many: String = (0..100).map(|n| format!("w{n} ")).collect();
    assert_eq!(Words::of(&many).words.len(), WORDS_MAX);
}

#[test]
fn words_have_stems() {
    let words = Words::of("running shoes").words;
    assert_eq!(words[0].stem, "run");
    assert_eq!(stem_of("shoes"), words[1].stem);
}
