//! Which words and calls are out, each with what to write instead.

use std::collections::BTreeSet;

use super::sources::{self, Source};
use super::{at, no_violations};

/// The crates that could serve another domain unchanged.
const WITHOUT_MARKET: [&str; 3] = ["envelope", "event-store", "platform"];

/// Words of the market, in any case. Words with another meaning too (`order`, `account`) are listed as names below.
const MARKET_WORDS: [&str; 12] = [
    "customer",
    "customers",
    "purchase",
    "purchases",
    "seller",
    "buyer",
    "cdnow",
    "gig",
    "gigs",
    "sales",
    "shop",
    "marketplace",
];
/// More words of the market, in what pages are made of; elsewhere they have other meanings too.
const MARKET_WORDS_OF_PAGES: [&str; 4] = ["order", "orders", "account", "accounts"];
/// What pages are made of.
const PAGES: [&str; 4] = [".html", ".css", ".js", ".json"];
const MARKET_NAMES: [&str; 18] = [
    "Order",
    "Orders",
    "OrderId",
    "OrderEvent",
    "OrderImported",
    "Account",
    "AccountId",
    "AccountEvent",
    "AccountRegistered",
    "ImportOrder",
    "ProductId",
    "ProductEvent",
    "StockEvent",
    "Sku",
    "PaymentId",
    "PaymentEvent",
    "OperationId",
    "event_schemas",
];

/// Parts of names that say nothing.
const EMPTY_NAMES: [(&str, &str); 6] = [
    ("Manager", "name what it does"),
    ("Helper", "name what it does"),
    ("Util", "put it beside what uses it"),
    ("Utils", "put it beside what uses it"),
    ("Dto", "name what it shows"),
    ("Impl", "name how it differs"),
];

/// Calls that programs must not make.
const BANNED_CALLS: [(&str, &str); 6] = [
    (concat!("db", "g!("), "log with tracing"),
    (concat!("to", "do!("), "write it"),
    (concat!("unimplemented", "!("), "write it"),
    (concat!(".unw", "rap()"), "`?`, or `expect(\"why it cannot be\")`"),
    (concat!("println", "!("), "log with tracing; commands print through their own writer"),
    (concat!("#[allow", "("), "`#[expect(lint, reason = \"..\")]`"),
];

/// Notes that belong into an issue. Split, so that this file does not contain them.
const NOTES: [&str; 3] = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X")];

/// The programs for people: they answer on standard output.
const MAY_PRINT: [&str; 4] = ["handsel/", "xtask/", "bench/", "event-store/examples/"];

#[test]
fn the_spine_knows_no_market() {
    let mut found = Vec::new();
    let routes = first_segments();
    for source in sources::all().iter().filter(|source| WITHOUT_MARKET.iter().any(|krate| source.is_in(krate))) {
        let page = PAGES.iter().any(|end| source.path.ends_with(end));
        let words = if page { MARKET_WORDS_OF_PAGES.as_slice() } else { &[] };
        for (number, line) in source.lines() {
            let names: Vec<_> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            let named = names.iter().find(|name| MARKET_NAMES.contains(name)).copied();
            let lower = line.to_lowercase();
            let mut split = lower.split(|c: char| !c.is_alphanumeric());
            let worded = split.find(|word| MARKET_WORDS.contains(word) || words.contains(word));
            let route = routes.iter().find(|route| line.contains(*route)).map(String::as_str);
            if let Some(word) = named.or(worded).or(route) {
                found.push(format!("{}: {word}", at(source, number)));
            }
        }
    }
    no_violations("envelope, event-store and platform serve any domain: no market word", &found);
}

#[test]
fn names_say_something() {
    let mut found = Vec::new();
    for source in sources::rust().iter().filter(|source| !source.path.ends_with("architecture/words.rs")) {
        for (number, line) in source.lines() {
            let Some(name) = defined_type(line) else { continue };
            for (empty, instead) in EMPTY_NAMES {
                if name.ends_with(empty) {
                    found.push(format!("{}: {name}; {instead}", at(source, number)));
                }
            }
        }
    }
    no_violations("this name says nothing", &found);
}

#[test]
fn programs_do_not_make_banned_calls() {
    let mut found = Vec::new();
    for source in sources::rust().iter().filter(|source| !source.is_test()) {
        for (number, line) in source.lines().take_while(|(_, line)| *line != "mod tests {") {
            let code = line.split("//").next().unwrap_or_default();
            for (call, instead) in BANNED_CALLS {
                let may = call.starts_with("println") && MAY_PRINT.iter().any(|place| source.path.starts_with(place));
                let inside_longer = call.starts_with("println") && code.contains("eprintln");
                if code.contains(call) && !may && !inside_longer {
                    found.push(format!("{}: {call} → {instead}", at(source, number)));
                }
            }
        }
    }
    no_violations("a banned call", &found);
}

#[test]
fn money_is_never_a_float() {
    let mut found = Vec::new();
    for source in sources::rust().iter().filter(|source| source.is_in("domain") || source.is_in("event-schemas")) {
        for (number, line) in source.lines() {
            let code = line.split("//").next().unwrap_or_default();
            if code.split(|c: char| !c.is_alphanumeric()).any(|word| word == "f64" || word == "f32") {
                found.push(at(source, number));
            }
        }
    }
    no_violations("amounts are i64 minor units", &found);
}

#[test]
fn a_match_on_own_events_names_them_all() {
    let events = ["AccountEvent::", "OrderEvent::", "ProductEvent::", "StockEvent::", "PaymentEvent::"];
    let mut found = Vec::new();
    for source in sources::rust().iter().filter(|source| !source.is_test()) {
        let lines: Vec<_> = source.text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            if !line.trim_start().starts_with("_ =>") && !line.trim_start().starts_with("_ |") {
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            let arms = lines[..index].iter().rev().take_while(|line| line.trim().is_empty() || depth(line) >= indent);
            if arms
                .filter(|line| depth(line) == indent)
                .any(|line| events.iter().any(|event| line.trim_start().starts_with(event)) && line.contains("=>"))
            {
                found.push(at(source, index + 1));
            }
        }
    }
    no_violations("`_` swallows the events that are added later; name each", &found);
}

#[test]
fn every_file_says_what_it_is() {
    let found: Vec<_> = sources::rust()
        .iter()
        .filter(|source| !source.text.starts_with("//! ") && !source.path.ends_with("/tests.rs"))
        .map(|source| source.path.clone())
        .collect();
    no_violations("a file opens with one `//!` sentence that says what it is", &found);
}

#[test]
fn nothing_is_left_as_a_note() {
    let mut found = Vec::new();
    for source in sources::all().iter().filter(|source| is_ours(source)) {
        for (number, line) in source.lines() {
            let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric()).collect();
            if NOTES.iter().any(|note| words.contains(note)) {
                found.push(format!("{}: {}", at(source, number), line.trim()));
            }
        }
    }
    no_violations("what is to be done stands in an issue, not in a file", &found);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let places = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    let mut found = Vec::new();
    for source in sources::all().iter().filter(|source| is_ours(source)) {
        for (number, line) in source.lines() {
            let found_here = places.iter().find(|place| line.contains(*place));
            // Tests make up homes of people.
            if found_here.is_some_and(|place| !(source.is_test() && place.contains("ho"))) {
                found.push(format!("{}: {}", at(source, number), line.trim()));
            }
        }
    }
    no_violations("a path of one machine", &found);
}

#[test]
fn packages_come_from_the_usual_registries() {
    let usual = "registry+https://github.com/rust-lang/crates.io-index";
    let lock = sources::read("Cargo.lock").expect("Cargo.lock is committed");
    let found: Vec<_> =
        lock.lines().filter(|line| line.starts_with("source = ") && !line.contains(usual)).map(str::to_owned).collect();
    no_violations("a package comes from somewhere else", &found);
    let settings = [".cargo/config.toml", ".cargo/config", "pip.conf", ".npmrc", "settings.xml"];
    let hosts: Vec<_> = settings
        .iter()
        .filter(|path| sources::read(path).is_some_and(|text| text.contains("://")))
        .map(|path| (*path).to_owned())
        .collect();
    no_violations("registries are the machine's business, not the repository's", &hosts);
}

/// How the routes of the market begin: `/v1/orders`.
fn first_segments() -> BTreeSet<String> {
    let (payments, mail) = (reactors::payments::http::openapi(), reactors::mail::http::openapi());
    let reactors = [payments, mail, reactors::webhooks::http::openapi()];
    let documents = [command_api::openapi(), query_api::openapi()].into_iter().chain(reactors);
    let paths = documents.flat_map(|document| document.paths.paths.into_keys());
    paths.map(|path| path.split('/').take(3).collect::<Vec<_>>().join("/")).collect()
}

/// What `struct`, `enum` or `trait` a line defines.
fn defined_type(line: &str) -> Option<&str> {
    let after = ["struct ", "enum ", "trait ", "type "].iter().find_map(|word| {
        let rest = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        rest.strip_prefix(word)
    })?;
    after.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_ours(source: &Source) -> bool {
    !matches!(source.path.as_str(), "Cargo.lock" | "LICENSE") && !source.path.ends_with(".svg")
}
