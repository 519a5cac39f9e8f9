//! Every row of the table, and how each way in which a provider behaves comes to an end.

use proptest::prelude::*;

use super::*;

const PACE: Pace = Pace { delay_ms_first: 100, retry_delay_ms_max: 1_000, look_up_delay_ms_max: 400 };

/// Milliseconds after some noon.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_micros(1_795_000_000_000_000 + ms * 1_000).unwrap()
}

fn done() -> Answer {
    Answer::Succeeded { reference: Some("sim_1".into()) }
}

fn no() -> Answer {
    Answer::Failed { code: "card_declined".into(), reason: "The card was declined.".into() }
}

fn pending() -> Answer {
    Answer::Pending { reason: "processing".into(), action_url: None }
}

fn recorded(answer: Answer) -> Option<Outcome> {
    Some(wording::outcome(answer))
}

fn unknown(reason: &str) -> Option<Outcome> {
    Some(Outcome::Unknown { reason: reason.into() })
}

fn timed_out() -> Option<Outcome> {
    unknown("the provider did not answer in time")
}

fn new() -> Effect {
    Effect::new(OperationKind::Authorize)
}

fn perform(effect: Effect, came: Result<Answer, NoAnswer>) -> Step {
    effect.begun().performed(came, at(0), PACE)
}

fn look_up(effect: Effect, came: Result<Option<Answer>, NoAnswer>) -> Step {
    effect.looked_up(came, at(0), PACE)
}

#[track_caller]
fn expect(step: &Step, record: Option<Outcome>, next: Next) {
    assert_eq!((&step.record, step.next), (&record, next));
}

#[test]
fn a_final_answer_is_recorded_and_ends_it() {
    for answer in [done(), no()] {
        expect(&perform(new(), Ok(answer.clone())), recorded(answer.clone()), Next::Done);
        let lost = perform(new(), Err(NoAnswer::TimedOut)).effect;
        expect(&look_up(lost.clone(), Ok(Some(answer.clone()))), recorded(answer.clone()), Next::Done);
        expect(&perform(lost, Ok(answer.clone())), recorded(answer.clone()), Next::Done);
        let waiting = perform(new(), Ok(pending())).effect;
        let step = look_up(waiting, Ok(Some(answer.clone())));
        expect(&step, recorded(answer), Next::Done);
        assert_eq!(step.effect.next(at(9)), Next::Done, "nothing is asked any more");
    }
}

#[test]
fn pending_is_recorded_once_and_looked_up_ever_more_rarely() {
    let mut step = perform(new(), Ok(pending()));
    expect(&step, recorded(pending()), Next::LookUpAt(at(100)));
    for delay in [200, 400, 400] {
        step = look_up(step.effect, Ok(Some(pending())));
        expect(&step, None, Next::LookUpAt(at(delay)));
    }
    let action = Answer::Pending { reason: "action_required".into(), action_url: Some("https://a.example/1".into()) };
    expect(&look_up(step.effect, Ok(Some(action.clone()))), recorded(action), Next::LookUpAt(at(400)));
}

#[test]
fn no_answer_is_unknown_and_looked_up() {
    let mut step = perform(new(), Err(NoAnswer::TimedOut));
    expect(&step, timed_out(), Next::LookUpAt(at(100)));
    for delay in [200, 400, 800, 1_000, 1_000] {
        let came = if delay == 400 { Err(NoAnswer::Unavailable) } else { Err(NoAnswer::TimedOut) };
        step = look_up(step.effect, came);
        expect(&step, None, Next::LookUpAt(at(delay)));
    }
}

#[test]
fn what_the_provider_never_heard_of_is_asked_for_again() {
    let lost = perform(new(), Err(NoAnswer::TimedOut)).effect;
    let step = look_up(lost, Ok(None));
    expect(&step, None, Next::PerformAt(at(0)));
    let again = perform(step.effect, Err(NoAnswer::TimedOut));
    expect(&again, None, Next::LookUpAt(at(200)));
    assert_eq!(again.effect.attempts, 2);
}

#[test]
fn what_the_provider_had_and_no_longer_knows_is_never_asked_for_again() {
    let waiting = perform(new(), Ok(pending())).effect;
    let step = look_up(waiting, Ok(None));
    expect(&step, unknown("the provider no longer knows the operation"), Next::LookUpAt(at(200)));
    expect(&look_up(step.effect.clone(), Ok(None)), None, Next::LookUpAt(at(400)));
    expect(&look_up(step.effect, Ok(Some(done()))), recorded(done()), Next::Done);
}

#[test]
fn an_authorization_that_surely_never_arrived_is_given_up_and_nothing_else_is() {
    for kind in [OperationKind::Authorize, OperationKind::Capture, OperationKind::Void, OperationKind::Refund] {
        let mut effect = Effect::new(kind);
        for attempt in 1..ATTEMPTS_MAX {
            let step = perform(effect, Err(NoAnswer::Unavailable));
            let delay = (100 << (attempt - 1)).min(1_000);
            expect(&step, None, Next::PerformAt(at(delay)));
            effect = step.effect;
        }
        let step = perform(effect, Err(NoAnswer::Unavailable));
        if kind == OperationKind::Authorize {
            let (code, reason) = ("provider_unavailable", "The provider could not be reached in 8 attempts.");
            let failed = Outcome::Failed { code: code.into(), reason: reason.into() };
            expect(&step, Some(failed), Next::Done);
        } else {
            expect(&step, None, Next::PerformAt(at(1_000)));
        }
    }
}

#[test]
fn an_authorization_that_may_arrive_late_is_not_given_up() {
    let lost = perform(new(), Err(NoAnswer::TimedOut)).effect;
    let mut step = look_up(lost, Ok(None));
    for _ in 0..2 * ATTEMPTS_MAX {
        step = perform(step.effect, Err(NoAnswer::Unavailable));
        assert!(matches!((&step.record, step.next), (None, Next::PerformAt(_))), "{step:?}");
    }
}

#[test]
fn after_a_crash_what_may_have_arrived_is_looked_up_first() {
    let begun = new().begun();
    assert_eq!(new().next(at(7)), Next::PerformAt(at(7)), "nobody was asked");
    assert_eq!(begun.next(at(7)), Next::LookUpAt(at(7)));
    expect(&look_up(begun.clone(), Ok(Some(done()))), recorded(done()), Next::Done);
    expect(&look_up(begun.clone(), Ok(None)), None, Next::PerformAt(at(0)));
    expect(&look_up(begun.clone(), Err(NoAnswer::Unavailable)), timed_out(), Next::LookUpAt(at(100)));
    // The provider was away when it was asked again: the first request may have arrived all the same.
    expect(&perform(begun, Err(NoAnswer::Unavailable)), timed_out(), Next::LookUpAt(at(100)));
    let waiting = perform(new(), Ok(pending())).effect;
    assert_eq!(waiting.next(at(7)), Next::LookUpAt(at(7)));
}

#[test]
fn a_row_survives_storage() {
    let effect = perform(new(), Err(NoAnswer::TimedOut)).effect;
    let stored = serde_json::to_string(&effect).unwrap();
    assert_eq!(serde_json::from_str::<Effect>(&stored).unwrap(), effect);
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![1 => Just(done()), 1 => Just(no()), 3 => Just(pending())]
}

fn came() -> impl Strategy<Value = Result<Answer, NoAnswer>> {
    prop_oneof![
        2 => answers().prop_map(Ok),
        1 => Just(Err(NoAnswer::TimedOut)),
        1 => Just(Err(NoAnswer::Unavailable)),
    ]
}

proptest! {
    /// Whatever comes: a request is repeated only when the provider denies that it has it or surely was not reached,
    /// an end is final, and delays have a bound.
    #[test]
    fn nothing_is_guessed(
        all in prop::collection::vec((came(), any::<bool>()), 1..40),
    ) {
        let (mut effect, mut now, mut next) = (Effect::new(OperationKind::Capture), at(0), Next::PerformAt(at(0)));
        for (came, denied) in all {
            prop_assert_eq!(effect.next(now) == Next::Done, next == Next::Done);
            let step = match next {
                Next::Done => break,
                Next::PerformAt(_) => {
                    prop_assert!(!effect.acknowledged && effect.unanswered == 0, "{:?}", effect);
                    effect.begun().performed(came.clone(), now, PACE)
                }
                Next::LookUpAt(_) => {
                    let came = if denied { Ok(None) } else { came.clone().map(Some) };
                    effect.looked_up(came, now, PACE)
                }
            };
            let finally = matches!(step.record, Some(Outcome::Succeeded { .. } | Outcome::Failed { .. }));
            prop_assert_eq!(finally, step.next == Next::Done);
            if let Next::PerformAt(due) | Next::LookUpAt(due) = step.next {
                prop_assert!(now <= due && due.micros() - now.micros() <= 1_000_000);
                now = due;
            }
            (effect, next) = (step.effect, step.next);
        }
    }
}
