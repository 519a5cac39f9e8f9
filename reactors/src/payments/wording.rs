//! A provider's words in the forms that events have: it may say anything, and what it said must not be refused.

use domain::payments::{CODE_CHARS_MAX, Outcome, REASON_CHARS_MAX};

use super::Answer;

/// What a provider said, fit to be recorded.
pub(super) fn outcome(answer: Answer) -> Outcome {
    let outcome = match answer {
        Answer::Succeeded { reference } => Outcome::Succeeded { reference },
        Answer::Failed { code, reason } => Outcome::Failed { code: fit_code(&code), reason: fit_reason(&reason) },
        Answer::Pending { reason, action_url } => Outcome::Pending { reason: fit_code(&reason), action_url },
    };
    if outcome.is_well_formed() {
        return outcome;
    }
    // A name that nobody could hand back to the provider, or a place where nobody could be sent: better none.
    match outcome {
        Outcome::Succeeded { .. } => Outcome::Succeeded { reference: None },
        Outcome::Pending { reason, .. } => Outcome::Pending { reason, action_url: None },
        formed @ (Outcome::Failed { .. } | Outcome::Unknown { .. }) => formed,
    }
}

/// `Card-Declined!` becomes `card_declined`.
fn fit_code(code: &str) -> String {
    let lower = code.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("_");
    let cut = joined.get(..CODE_CHARS_MAX).unwrap_or(&joined).trim_end_matches('_');
    if cut.is_empty() { "unspecified".to_owned() } else { cut.to_owned() }
}

fn fit_reason(reason: &str) -> String {
    let printable = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    let cut: String = printable.take(REASON_CHARS_MAX).collect();
    if cut.trim().is_empty() { "The provider gave no reason.".to_owned() } else { cut }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_words_stay_and_others_are_made_fit() {
        let (code, reason) = ("card_declined".to_owned(), "The card was declined.".to_owned());
        let usual = Answer::Failed { code: code.clone(), reason: reason.clone() };
        assert_eq!(outcome(usual), Outcome::Failed { code, reason });
        let odd = Answer::Failed { code: "Do-Not Honour!".into(), reason: "\n".into() };
        let (code, reason) = ("do_not_honour".to_owned(), "The provider gave no reason.".to_owned());
        assert_eq!(outcome(odd), Outcome::Failed { code, reason });
        let endless = Answer::Failed { code: "x_".repeat(90), reason: "y".repeat(2000) };
        let Outcome::Failed { code, reason } = outcome(endless) else { panic!("it failed") };
        assert_eq!((code.len(), reason.len()), (CODE_CHARS_MAX - 1, REASON_CHARS_MAX), "no `_` at the end");
        let named = Answer::Succeeded { reference: Some("pi_3".into()) };
        assert_eq!(outcome(named), Outcome::Succeeded { reference: Some("pi_3".into()) });
    }

    proptest! {
        #[test]
        fn whatever_a_provider_says_can_be_recorded(one in any::<String>(), other in any::<String>(), which in 0..4) {
            let answer = match which {
                0 => Answer::Succeeded { reference: Some(one) },
                1 => Answer::Succeeded { reference: None },
                2 => Answer::Failed { code: one, reason: other },
                _ => Answer::Pending { reason: one, action_url: Some(other) },
            };
            prop_assert!(outcome(answer).is_well_formed());
        }
    }
}
