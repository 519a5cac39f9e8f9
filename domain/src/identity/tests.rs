//! Every row of an account's `decide`, and what holds for any sequence of commands and events.

use std::sync::LazyLock;

use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use envelope::SubjectKey;
use event_schemas::identity::AccountEvent;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::tests::{Decides, a_repeat_adds_nothing, any_event_is_taken_and_stored, carry_out};
use crate::{Folded as _, shape};

static KEY: LazyLock<SubjectKey> = LazyLock::new(|| SubjectKey::new(Uuid::nil(), "ana", [7; 32]));

fn given(events: Vec<AccountEvent>) -> AggregateTestExecutor<Account> {
    TestFramework::with(()).given(events)
}

/// Sealed anew each time, as it comes in: other ciphertext, same plain text.
fn name(plain: &str) -> Sealed<String> {
    KEY.seal("name", &plain.to_owned())
}

fn email(plain: &str) -> Sealed<String> {
    KEY.seal("email", &plain.to_owned())
}

fn register_as(account: u128, name: Sealed<String>, email: Sealed<String>, reference: Option<&str>) -> AccountCommand {
    let reference = reference.map(str::to_owned);
    AccountCommand::Register { account: AccountId(Uuid::from_u128(account)), name, email, reference }
}

fn register() -> AccountCommand {
    register_as(1, name("Ana"), email("ana@example.org"), Some("00002"))
}

fn rename(plain: &str) -> AccountCommand {
    AccountCommand::Rename { name: name(plain) }
}

/// The event that follows from a command that is accepted.
fn happened(command: AccountCommand) -> AccountEvent {
    match command {
        AccountCommand::Register { account, name, email, reference } => {
            AccountEvent::AccountRegistered { account, name, email, reference }
        }
        AccountCommand::Rename { name } => AccountEvent::AccountRenamed { name },
        AccountCommand::Keep => panic!("nothing follows from it"),
    }
}

#[test]
fn an_account_is_registered() {
    given(vec![]).when(register()).then_expect_events(vec![happened(register())]);
}

#[test]
fn the_same_registration_again_adds_nothing() {
    given(vec![happened(register())]).when(register()).then_expect_events(vec![]);
}

#[test]
fn a_repeated_registration_is_known_also_after_a_renaming() {
    given(vec![happened(register()), happened(rename("Anna"))]).when(register()).then_expect_events(vec![]);
}

#[test]
fn another_registration_under_the_same_id_is_refused() {
    for other in [
        register_as(2, name("Ana"), email("ana@example.org"), Some("00002")),
        register_as(1, name("Bob"), email("ana@example.org"), Some("00002")),
        register_as(1, name("Ana"), email("bob@example.org"), Some("00002")),
        register_as(1, name("Ana"), email("ana@example.org"), None),
    ] {
        given(vec![happened(register())]).when(other).then_expect_error(AccountError::AlreadyRegistered);
    }
}

#[test]
fn a_reference_is_short_and_printable() {
    let with = |reference: &str| register_as(1, name("Ana"), email("ana@example.org"), Some(reference));
    for bad in ["", "a\nb", "\0", &"x".repeat(REFERENCE_CHARS_MAX + 1)] {
        given(vec![]).when(with(bad)).then_expect_error(AccountError::BadReference);
    }
    for good in ["1", "Ä-7", &"ü".repeat(REFERENCE_CHARS_MAX)] {
        given(vec![]).when(with(good)).then_expect_events(vec![happened(with(good))]);
    }
}

#[test]
fn the_holder_is_renamed() {
    given(vec![happened(register())]).when(rename("Anna")).then_expect_events(vec![happened(rename("Anna"))]);
}

#[test]
fn the_name_one_has_already_adds_nothing() {
    given(vec![happened(register())]).when(rename("Ana")).then_expect_events(vec![]);
    given(vec![happened(register()), happened(rename("Anna"))]).when(rename("Anna")).then_expect_events(vec![]);
}

#[test]
fn an_old_name_can_be_taken_again() {
    let events = vec![happened(register()), happened(rename("Anna"))];
    given(events).when(rename("Ana")).then_expect_events(vec![happened(rename("Ana"))]);
}

#[test]
fn nobody_is_renamed_who_is_not_there() {
    given(vec![]).when(rename("Anna")).then_expect_error(AccountError::NotFound);
}

#[test]
fn an_account_that_is_there_is_kept_as_it_is() {
    given(vec![happened(register())]).when(AccountCommand::Keep).then_expect_events(vec![]);
    given(vec![]).when(AccountCommand::Keep).then_expect_error(AccountError::NotFound);
}

#[test]
fn an_erased_holder_gets_nothing_personal_any_more() {
    let erased = Sealed::erased;
    for events in [vec![], vec![happened(register())]] {
        for command in [
            register_as(1, erased(), email("ana@example.org"), None),
            register_as(1, name("Ana"), erased(), None),
            register_as(1, erased(), erased(), Some("00002")),
            AccountCommand::Rename { name: erased() },
        ] {
            given(events.clone()).when(command).then_expect_error(AccountError::Erased);
        }
    }
}

#[test]
fn refusals_keep_their_kinds_and_codes() {
    let all =
        [AccountError::NotFound, AccountError::AlreadyRegistered, AccountError::Erased, AccountError::BadReference];
    let said: Vec<_> = all.iter().map(|error| (error.kind(), error.code())).collect();
    assert_eq!(
        said,
        [
            (Kind::Missing, "account-not-found"),
            (Kind::Conflict, "account-exists"),
            (Kind::Conflict, "account-erased"),
            (Kind::Invalid, "account-reference-invalid"),
        ]
    );
    let long = AccountError::BadReference.to_string();
    assert_eq!(long, "a reference has 1 to 64 characters, none of them a control character");
}

/// Stored copies of states are recognised by their shape: if this fails, raise `FOLD` and write the new state here.
#[test]
fn the_golden_stream_still_folds_to_the_same_state() {
    let sealed = |text: &str| Sealed::<String>::Closed { key: Uuid::nil(), sealed: text.into(), mac: "mac".into() };
    let mut account = Account::default();
    account.evolve(happened(register_as(1, sealed("Ana"), sealed("ana@"), Some("00002"))));
    account.evolve(AccountEvent::AccountRenamed { name: sealed("Anna") });
    assert_eq!(Account::FOLD, 1);
    let closed =
        |text: &str| format!(r#"{{"key":"00000000-0000-0000-0000-000000000000","sealed":"{text}","mac":"mac"}}"#);
    assert_eq!(
        serde_json::to_string(&account).unwrap(),
        format!(
            r#"{{"Registered":{{"first":{{"account":"{}","name":{},"email":{},"reference":"00002"}},"name":{}}}}}"#,
            Uuid::from_u128(1),
            closed("Ana"),
            closed("ana@"),
            closed("Anna")
        )
    );
    assert!(shape::<Account>().starts_with("account/1/{"));
}

/// Few values, so that sequences often meet the same one again; some of them erased or unfit.
fn commands() -> impl Strategy<Value = AccountCommand> {
    let text = || prop_oneof![4 => (0u8..3).prop_map(Some), 1 => Just(None)];
    let seal = |field: &'static str, text: Option<u8>| match text {
        Some(text) => KEY.seal(field, &text.to_string()),
        None => Sealed::erased(),
    };
    let reference = prop_oneof![Just(None), Just(Some("00002")), Just(Some(""))];
    prop_oneof![
        (1u128..3, text(), text(), reference).prop_map(move |(id, name, email, number)| register_as(
            id,
            seal("name", name),
            seal("email", email),
            number
        )),
        text().prop_map(move |name| AccountCommand::Rename { name: seal("name", name) }),
        Just(AccountCommand::Keep),
    ]
}

impl Decides for Account {
    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountError> {
        self.decide(command)
    }
}

proptest! {
    #[test]
    fn any_command_twice_adds_nothing_the_second_time(
        before in prop::collection::vec(commands(), 0..6),
        command in commands(),
    ) {
        a_repeat_adds_nothing::<Account>(before, command)?;
    }

    #[test]
    fn an_account_is_registered_once_and_first_and_every_renaming_changes_the_name(
        all in prop::collection::vec(commands(), 0..20),
    ) {
        let mut account = Account::default();
        let mut current = None;
        let accepted = all.into_iter().filter_map(|command| carry_out(&mut account, command).ok()).flatten();
        for (event, n) in accepted.zip(0..) {
            let name = match event {
                AccountEvent::AccountRegistered { name, .. } => {
                    prop_assert_eq!(n, 0);
                    name
                }
                AccountEvent::AccountRenamed { name } => {
                    prop_assert!(n > 0);
                    name
                }
            };
            prop_assert!(name.key().is_some(), "nothing erased is recorded");
            prop_assert_ne!(current.as_ref(), Some(&name));
            current = Some(name);
        }
        match account {
            Account::Absent => prop_assert_eq!(current, None),
            Account::Registered { name, .. } => prop_assert_eq!(current, Some(name)),
        }
    }

    #[test]
    fn evolve_takes_any_event_and_its_state_survives_storage(all in prop::collection::vec(commands(), 0..20)) {
        let changing = all.into_iter().filter(|command| *command != AccountCommand::Keep);
        any_event_is_taken_and_stored::<Account>(changing.map(happened))?;
    }
}
