use super::*;

fn meaning(plain: &[&str], stems: &[&str]) -> Vec<Meaning> {
    let all = |words: &[&str]| words.iter().map(|word| ((*word).to_owned(), 1.0)).collect();
    vec![Meaning { plain: all(plain), stems: all(stems), meant: None }]
}

fn snip(text: &str, plain: &[&str], stems: &[&str]) -> String {
    snippet(text, &mut Marks::of(&meaning(plain, stems)))
}

#[test]
fn words_that_were_found_are_marked_in_any_form() {
    assert_eq!(snip("Holds Tea and teas.", &["tea"], &["tea"]), "Holds <em>Tea</em> and <em>teas</em>.");
    assert_eq!(snip("Un café crème", &["cafe"], &[]), "Un <em>café</em> crème");
}

#[test]
fn everything_else_is_escaped() {
    let html = snip("<b onclick='x'>tea</b> & \"co\"", &["tea"], &[]);
    assert_eq!(html, "&lt;b onclick=&#39;x&#39;&gt;<em>tea</em>&lt;/b&gt; &amp; &quot;co&quot;");
}

#[test]
fn a_long_text_is_shown_where_most_was_found() {
    let text =
        format!("{}the red mug for tea and the blue mug {}", "filler word ".repeat(60), "more words ".repeat(60));
    let html = snip(&text, &["mug", "tea"], &[]);
    assert!(html.starts_with('…') && html.ends_with('…'), "{html}");
    assert_eq!(html.matches("<em>").count(), 3, "{html}");
    assert!(html.replace("<em>", "").replace("</em>", "").chars().count() <= CHARS_MAX + 2, "{html}");
}

#[test]
fn without_any_of_the_words_it_is_the_beginning() {
    let text = "word ".repeat(100);
    let html = snip(&text, &["mug"], &[]);
    assert!(html.starts_with("word word") && html.ends_with('…'), "{html}");
    assert_eq!(snip("", &["mug"], &[]), "");
}

#[test]
fn no_text_breaks_it() {
    for text in
        ["é".repeat(10_000), "日本".repeat(5_000), "x".repeat(50_000), "mug ".repeat(5_000), "\u{202e}mug".into()]
    {
        let html = snip(&text, &["mug"], &["mug"]);
        assert!(html.chars().filter(|c| !"<em>/".contains(*c)).count() <= CHARS_MAX + 2, "{}", html.len());
    }
}
