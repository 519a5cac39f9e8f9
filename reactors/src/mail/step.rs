//! What comes next with a mail, from how often it was handed over and what came of that. Pure: no clock, no I/O.
//!
//! ```text
//! due ─► sending ─► sent
//!  ▲        ├─────► no_recipient
//!  │        ├─────► parked ─► due, or skipped: a person says which
//!  └────────┘ later, twice as late each time
//! ```
//!
//! A row says `sending` before the server is asked. One that is found so after a crash is handed over again, because
//! whether it arrived cannot be asked; its Message-ID is the same, by which whoever receives both knows it for one.

use std::time::Duration;

/// Where a mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is to be handed over.
    Due,
    /// It is being handed over, or was when somebody died.
    Sending,
    /// The server has it, or the inbox.
    Sent,
    /// There is nobody to send it to.
    NoRecipient,
    /// It was refused, and waits for a person.
    Parked,
}

/// What is known of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) state: State,
    /// How often it was handed over, or begun to be.
    pub(crate) tries: u32,
}

/// What came of handing it over. No word of it is personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was taken.
    Accepted,
    /// It cannot be addressed.
    Nobody(Nobody),
    /// It may be taken later.
    NotNow(String),
    /// It will not be taken as it is.
    Refused(String),
}

/// Why there is nobody to mail to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nobody {
    #[error("the customer has no account here")]
    NoAccount,
    #[error("the holder of the account was erased")]
    Erased,
    #[error("the account's address is none that mail can be sent to")]
    BadAddress,
}

/// How often a mail is handed over, and how late again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How late it is tried the second time.
    pub first: Duration,
    /// How late it is tried again at most.
    pub max: Duration,
    /// After so many tries a person has to look.
    pub tries_max: u32,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) progress: Progress,
    /// How late it is tried again, if it is.
    pub(crate) again_in: Option<Duration>,
    /// Why it was not taken.
    pub(crate) why: Option<String>,
}

impl Default for Pace {
    /// Five seconds at first, an hour at most, and for more than a day: servers are away over a night.
    fn default() -> Self {
        Self { first: Duration::from_secs(5), max: Duration::from_secs(3_600), tries_max: 36 }
    }
}

impl Pace {
    /// How late it is tried again after so many tries.
    fn delay(self, tries: u32) -> Duration {
        let twice_as_late = 2_u32.saturating_pow(tries.saturating_sub(1));
        self.first.saturating_mul(twice_as_late).min(self.max)
    }
}

impl State {
    /// As it stands in the ledger.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::NoRecipient => "no_recipient",
            Self::Parked => "parked",
        }
    }
}

impl Progress {
    /// What must be stored before it is handed over.
    pub(crate) fn begun(self) -> Self {
        Self { state: State::Sending, tries: self.tries.saturating_add(1) }
    }

    /// What follows from what came; this is as [`Progress::begun`] left it.
    pub(crate) fn came(self, came: Came, pace: Pace) -> Step {
        let ends = |state, why| Step { progress: Self { state, ..self }, again_in: None, why };
        match came {
            Came::Accepted => ends(State::Sent, None),
            Came::Nobody(nobody) => ends(State::NoRecipient, Some(nobody.to_string())),
            Came::Refused(why) => ends(State::Parked, Some(why)),
            Came::NotNow(why) if self.tries >= pace.tries_max => {
                ends(State::Parked, Some(format!("it was tried {} times; the last time {why}", self.tries)))
            }
            Came::NotNow(why) => Step {
                progress: Self { state: State::Due, ..self },
                again_in: Some(pace.delay(self.tries)),
                why: Some(why),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { first: Duration::from_secs(5), max: Duration::from_secs(60), tries_max: 6 };

    fn new() -> Progress {
        Progress { state: State::Due, tries: 0 }
    }

    #[test]
    fn it_is_stored_as_sending_before_the_server_is_asked_also_after_a_death() {
        let begun = new().begun();
        assert_eq!(begun, Progress { state: State::Sending, tries: 1 });
        assert_eq!(begun.begun(), Progress { state: State::Sending, tries: 2 });
    }

    #[test]
    fn what_was_taken_or_has_no_recipient_rests() {
        let begun = new().begun();
        let sent = begun.came(Came::Accepted, PACE);
        assert_eq!((sent.progress.state, sent.again_in, sent.why), (State::Sent, None, None));
        for nobody in [Nobody::NoAccount, Nobody::Erased, Nobody::BadAddress] {
            let step = begun.came(Came::Nobody(nobody), PACE);
            assert_eq!((step.progress.state, step.again_in), (State::NoRecipient, None));
            assert_eq!(step.why, Some(nobody.to_string()));
        }
    }

    #[test]
    fn what_is_refused_waits_for_a_person_at_once() {
        let step = new().begun().came(Came::Refused("the server refused it: 550".into()), PACE);
        assert_eq!((step.progress.state, step.again_in), (State::Parked, None));
        assert_eq!(step.why.as_deref(), Some("the server refused it: 550"));
    }

    #[test]
    fn what_cannot_be_taken_now_is_tried_twice_as_late_each_time_and_not_for_ever() {
        let (mut progress, mut delays) = (new(), Vec::new());
        let last = loop {
            progress = progress.begun();
            let step = progress.came(Came::NotNow("451".into()), PACE);
            progress = step.progress;
            match step.again_in {
                Some(delay) => {
                    assert_eq!((progress.state, step.why.as_deref()), (State::Due, Some("451")));
                    delays.push(delay.as_secs());
                }
                None => break step,
            }
        };
        assert_eq!(delays, [5, 10, 20, 40, 60]);
        assert_eq!(last.progress, Progress { state: State::Parked, tries: 6 });
        assert_eq!(last.why.as_deref(), Some("it was tried 6 times; the last time 451"));
    }

    #[test]
    fn the_usual_pace_outlasts_a_day() {
        let pace = Pace::default();
        let all: Duration = (1..pace.tries_max).map(|tries| pace.delay(tries)).sum();
        assert!(all > Duration::from_secs(24 * 3_600) && all < Duration::from_secs(36 * 3_600), "{all:?}");
        assert_eq!(pace.delay(u32::MAX), pace.max);
    }
}
