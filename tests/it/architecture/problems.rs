//! Every code by which a problem is told apart is explained, and nothing is explained that nobody answers.

use std::collections::{BTreeMap, BTreeSet};

use platform::problem::{COMMON, Explanation};

use super::sources::{self, Source};
use super::{at, no_violations};

/// The crates in which problems arise. Refusals of `domain` become problems with their own code.
const ANSWERING: [&str; 4] = ["platform", "command-api", "query-api", "reactors"];
/// How a problem is made, and its status if that says it.
const MAKING: [(&str, Option<u16>); 4] =
    [("new(", None), ("bad_request(", Some(400)), ("not_found(", Some(404)), ("unavailable(", Some(503))];

/// A code where it is answered.
struct Answered {
    place: String,
    code: String,
    status: Option<u16>,
}

fn explained() -> Vec<Explanation> {
    let (payments, mail) = (reactors::payments::http::problems(), reactors::mail::http::problems());
    let reactors = [payments, mail, reactors::webhooks::http::problems()].concat();
    [COMMON.to_vec(), command_api::problems(), query_api::problems(), reactors].concat()
}

#[test]
fn every_code_of_a_refusal_or_problem_is_explained() {
    let statuses: BTreeMap<_, _> = explained().into_iter().map(|one| (one.code, one.status)).collect();
    let mut found = Vec::new();
    for Answered { place, code, status } in answered(&mut found) {
        match statuses.get(code.as_str()) {
            None => found.push(format!("{place}: {code} is explained nowhere")),
            Some(known) if status.is_some_and(|status| status != *known) => {
                found.push(format!("{place}: {code} comes with another status than {known}"));
            }
            Some(_) => {}
        }
    }
    no_violations("a problem is explained in PROBLEMS beside what answers it", &found);
}

#[test]
fn nothing_is_explained_that_nobody_answers_and_nothing_in_two_ways() {
    let codes: BTreeSet<_> = answered(&mut vec![]).into_iter().map(|one| one.code).collect();
    assert!(codes.len() > 20, "{codes:?}");
    let mut found = Vec::new();
    let mut known: BTreeMap<&str, Explanation> = BTreeMap::new();
    for one in explained() {
        if !codes.contains(one.code) {
            found.push(format!("{} is answered nowhere", one.code));
        }
        if known.insert(one.code, one).is_some_and(|other| other != one) {
            found.push(format!("{} is explained in two ways", one.code));
        }
    }
    no_violations("explanations are of what is answered", &found);
}

/// Every code in the sources. What cannot be read is a violation.
fn answered(violations: &mut Vec<String>) -> Vec<Answered> {
    let mut all = Vec::new();
    for source in sources::rust().iter().filter(|source| !source.is_test()) {
        if source.is_in("domain") {
            all.extend(refusals(source));
        } else if ANSWERING.iter().any(|krate| source.is_in(krate)) {
            problems(source, &mut all, violations);
        }
    }
    all
}

/// The arms of `fn code`.
fn refusals(source: &Source) -> Vec<Answered> {
    let from = source.lines().skip_while(|(_, line)| !line.contains("fn code(&self)"));
    let arms = from.take_while(|(_, line)| *line != "    }").filter_map(|(number, line)| {
        let code = line.split_once("=> \"")?.1.split('"').next()?;
        Some(Answered { place: at(source, number), code: code.to_owned(), status: None })
    });
    arms.collect()
}

/// The calls by which problems are made, each with its code as a literal.
fn problems(source: &Source, all: &mut Vec<Answered>, violations: &mut Vec<String>) {
    let own = source.path == "platform/src/problem.rs";
    let prefixes = if own { ["Problem::", "Self::"].as_slice() } else { &["Problem::"] };
    for (call, status) in MAKING {
        for prefix in prefixes {
            for (start, _) in source.text.match_indices(&format!("{prefix}{call}")) {
                let place = at(source, source.text[..start].lines().count());
                let arguments = arguments(&source.text[start + prefix.len() + call.len()..]);
                match code(arguments) {
                    Some(code) => all.push(Answered { place, code, status }),
                    // The code of a refusal, which is looked up where it arises; and what hands a code on.
                    None if arguments.contains(".code()") || own => {}
                    None => violations.push(format!("{place}: the code is not written out")),
                }
            }
        }
    }
}

/// Up to the parenthesis that closes the call.
fn arguments(rest: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (index, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &rest[..index];
        }
    }
    rest
}

/// The first literal that has the form of a code.
fn code(arguments: &str) -> Option<String> {
    let literals = arguments.split('"').skip(1).step_by(2);
    let is_code = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    literals.into_iter().find(is_code).map(str::to_owned)
}
