use tantivy::tokenizer::SimpleTokenizer;

use super::*;

fn stems(analyzer: &mut TextAnalyzer, text: &str) -> Vec<Token> {
    let (mut all, mut stream) = (Vec::new(), analyzer.token_stream(text));
    while let Some(token) = stream.next() {
        all.push(token.clone());
    }
    all
}

#[test]
fn stems_are_those_of_the_library_however_often_a_word_comes() {
    let mut ours = TextAnalyzer::builder(SimpleTokenizer::default()).filter(Stems).build();
    let mut theirs = TextAnalyzer::builder(SimpleTokenizer::default()).filter(Stemmer::new(Language::English)).build();
    for text in ["running shoes run", "shoes, shoes and a shoe", "skies dying generously", "", "日本語 é mug", "mugs"]
    {
        for _ in 0..3 {
            assert_eq!(stems(&mut ours, text), stems(&mut theirs, text), "{text}");
        }
    }
}

#[test]
fn not_every_word_is_kept_for_ever() {
    let mut known = Known::default();
    for number in 0..KNOWN_MAX + 10 {
        known.stem(&mut format!("words{number}"));
    }
    assert!(known.stems.len() <= KNOWN_MAX);
    let mut word = "shoes".to_owned();
    known.stem(&mut word);
    assert_eq!(word, "shoe");
}

#[test]
fn a_word_and_its_stem_begin_alike() {
    let mut known = Known::default();
    let odd = "skis skies sky dying lying tying idly gently ugly early only singly news howe atlas cosmos bias andes \
               inning outing canning herring proceed exceed succeed yes yellow youth yyy ying generic communal arsenal";
    for word in odd.split(' ') {
        let mut stem = word.to_owned();
        known.stem(&mut stem);
        assert_eq!(stem.as_bytes()[0], word.as_bytes()[0], "{word}: {stem}");
    }
}
