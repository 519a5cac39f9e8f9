//! Accounts over HTTP. What is personal is checked for its form and sealed here, before anything keeps it.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use domain::identity::{Account, AccountCommand, AccountError};
use event_schemas::Context;
use event_schemas::identity::field;
use event_schemas::ids::AccountId;
use event_store::keys::KeyRing;
use platform::caller::Caller;
use platform::http::{IdempotencyKey, IfMatch, MergePatch, Path, RawJson, fingerprint, not_null};
use platform::problem::{Explanation, Problem};
use platform::token::TokenKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer;

const NAME_CHARS_MAX: usize = 200;
const EMAIL_CHARS_MAX: usize = 254;

/// What an account may refuse.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new("account-erased", 409, "The holder of the account was erased. Register under a new id."),
    Explanation::new(
        "account-exists",
        409,
        "An account with this id and other content was registered before. Look at it, or take another id.",
    ),
    Explanation::new(
        "account-not-found",
        404,
        "There is no such account, or not yet: send the Consistency-Token of its registration.",
    ),
    Explanation::new("account-reference-invalid", 422, "The reference is empty, too long or not printable."),
];

/// What the commands of this context need.
#[derive(Clone)]
pub struct Commands {
    /// Decides on accounts.
    pub accounts: event_store::Commands<Account>,
    /// Holds the keys under which personal fields are sealed.
    pub keys: KeyRing,
}

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) commands: Commands,
    pub(crate) tokens: TokenKey,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(rename))
}

/// Who gets an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    /// The id, if the sender has one; otherwise it follows from caller and Idempotency-Key, or is new.
    #[schema(value_type = Option<Uuid>)]
    account: Option<AccountId>,
    /// What the holder is called.
    #[schema(example = "Ana Lima", min_length = 1, max_length = 200)]
    name: String,
    /// Where the holder gets mail.
    #[schema(example = "ana@example.org", max_length = 254)]
    email: String,
    /// The operator's own number for this customer.
    #[schema(example = "00002", max_length = 64)]
    reference: Option<String>,
}

/// An account that was registered.
#[derive(Debug, Serialize, ToSchema)]
struct Registered {
    /// Which account.
    #[schema(value_type = Uuid)]
    account: AccountId,
    /// Its version now.
    #[schema(example = 1)]
    version: i64,
}

/// What is to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Renaming {
    /// What the holder is called from now on.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, required = false, example = "Ana de Lima", min_length = 1, max_length = 200)]
    name: Option<String>,
}

/// Register an account.
///
/// A repeat with the same content changes nothing. With an Idempotency-Key the account's id follows from caller and
/// key.
#[utoipa::path(
    post, path = "/v1/accounts", tag = "identity", operation_id = "registerAccount",
    request_body(
        content = Registration,
        example = json!({"name": "Ana Lima", "email": "ana@example.org", "reference": "00002"})
    ),
    params(("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"0\"")),
    responses(
        (status = 201, description = "Registered; `Location`, `ETag` and `Consistency-Token` say where and when.",
         headers(("ETag"), ("Location"), ("Consistency-Token"), ("Idempotent-Replayed")),
         body = Registered,
         example = json!({"account": "018f4e7a-0000-7000-8000-000000000001", "version": 1})),
        (status = 200, description = "It was registered before, with the same content.",
         headers(("ETag"), ("Location"), ("Consistency-Token"), ("Idempotent-Replayed")), body = Registered,
         example = json!({"account": "018f4e7a-0000-7000-8000-000000000001", "version": 1})),
        Problem)
)]
async fn register(
    State(app): State<App>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    expected: Option<IfMatch>,
    body: RawJson<Registration>,
) -> Result<Response, Problem> {
    let Registration { account, name, email, reference } = body.value;
    check_name(&name)?;
    check_email(&email)?;
    let derived = || key.as_ref().map(|key| AccountId(caller.derive(key.as_str())));
    let account = account.or_else(derived).unwrap_or_else(AccountId::new);
    let id = account.to_string();
    let seal =
        |sealer: &event_store::keys::Sealer| (sealer.seal(field::NAME, &name), sealer.seal(field::EMAIL, &email));
    let (name, email) = app.commands.keys.sealed(&id, seal).await.map_err(|error| answer::keyless(&error))?;
    let command = AccountCommand::Register { account, name, email, reference };
    let print = || fingerprint(&app.tokens, &Method::POST, "/v1/accounts", &body.bytes);
    let ask = answer::ask(&caller, expected.and_then(|expected| expected.0), key.as_ref(), print);
    let came = app.commands.accounts.execute(&id, command, ask).await;
    let done = answer::counted("account", "Register", came).map_err(|no| answer::refused(no, field_of))?;
    let body = Registered { account, version: done.version };
    Ok(answer::made(Context::Identity, &done, &app.tokens, &format!("/v1/accounts/{account}"), body))
}

/// Rename the holder of an account.
///
/// A patch without a name changes nothing and is answered like one with the name that the holder has.
#[utoipa::path(
    patch, path = "/v1/accounts/{account}", tag = "identity", operation_id = "renameAccount",
    request_body(
        content = Renaming,
        content_type = "application/merge-patch+json",
        example = json!({"name": "Ana de Lima"})
    ),
    params(("account" = Uuid, Path, description = "Which account.", example = "018f4e7a-0000-7000-8000-000000000001"),
           ("If-Match" = String, Header,
            description = "The ETag of the version that the change was made for.", example = "\"1\""),
           ("Idempotency-Key" = Option<String>, Header,
            description = "Names this request, so that a repeat does not do it twice.")),
    responses(
        (status = 204,
         description = "The holder is called so; `ETag` has the version, `Consistency-Token` the place.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn rename(
    State(app): State<App>,
    caller: Caller,
    Path(account): Path<AccountId>,
    IfMatch(expected): IfMatch,
    key: Option<IdempotencyKey>,
    body: MergePatch<Renaming>,
) -> Result<Response, Problem> {
    let name = body.value.name;
    name.as_deref().map_or(Ok(()), check_name)?;
    let id = account.to_string();
    // A key is made for nobody who is not there.
    let (version, _) = app.commands.accounts.load(&id).await.map_err(|error| answer::broken(&error))?;
    if version == 0 {
        return Err(answer::refused(event_store::Refused::Rule(AccountError::NotFound), field_of));
    }
    let (called, command) = match name {
        Some(name) => {
            let sealed = app.commands.keys.sealed(&id, |sealer| sealer.seal(field::NAME, &name)).await;
            ("Rename", AccountCommand::Rename { name: sealed.map_err(|error| answer::keyless(&error))? })
        }
        None => ("Keep", AccountCommand::Keep),
    };
    let print = || fingerprint(&app.tokens, &Method::PATCH, &format!("/v1/accounts/{id}"), &body.bytes);
    let ask = answer::ask(&caller, expected, key.as_ref(), print);
    let came = app.commands.accounts.execute(&id, command, ask).await;
    let done = answer::counted("account", called, came).map_err(|no| answer::refused(no, field_of))?;
    Ok(answer::changed(Context::Identity, &done, &app.tokens))
}

/// What a person is called and where they get mail, as a registration takes them.
///
/// # Errors
/// Why it would not.
pub fn check_person(name: &str, email: &str) -> Result<(), &'static str> {
    name_fits(name).and_then(|()| email_fits(email))
}

fn check_name(name: &str) -> Result<(), Problem> {
    name_fits(name).map_err(|why| Problem::bad_field("/name", why))
}

fn check_email(email: &str) -> Result<(), Problem> {
    email_fits(email).map_err(|why| Problem::bad_field("/email", why))
}

fn name_fits(name: &str) -> Result<(), &'static str> {
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.trim().is_empty();
    if fits && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err("a name has 1 to 200 characters, not only blanks and none of them a control character")
}

/// Only the form: whether mail arrives is found out by sending some.
fn email_fits(email: &str) -> Result<(), &'static str> {
    let plain = !email.chars().any(|c| c.is_control() || c.is_whitespace());
    let parts = email.rsplit_once('@').filter(|(local, host)| !local.is_empty() && !host.is_empty());
    if plain && parts.is_some() && email.chars().count() <= EMAIL_CHARS_MAX {
        return Ok(());
    }
    Err("an e-mail address has the form name@host and at most 254 characters without blanks")
}

fn field_of(error: &AccountError) -> Option<&'static str> {
    match error {
        AccountError::BadReference => Some("/reference"),
        AccountError::AlreadyRegistered => Some("/account"),
        AccountError::NotFound | AccountError::Erased => None,
    }
}
