//! Accounts as their operators see them.

use axum::extract::State;
use axum::response::Response;
use envelope::Timestamp;
use event_schemas::Context;
use event_schemas::ids::AccountId;
use platform::caller::Caller;
use platform::http::{IfNoneMatch, Page, PageRequest, Params, Path};
use platform::problem::{Explanation, Problem};
use platform::token::ConsistencyToken;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::{Api, failed, tagged};
use crate::fresh::fresh;

const ACCOUNTS: &str = "accounts";
const READS: &[Context] = &[Context::Identity];

/// What may be wrong with a question about accounts.
pub(crate) const PROBLEMS: &[Explanation] = &[Explanation::new(
    "account-not-found",
    404,
    "There is no such account, or not yet: send the Consistency-Token of its registration.",
)];

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(accounts)).routes(routes!(account))
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
struct Account {
    /// Which one.
    account: Uuid,
    /// What the holder is called; null if that was erased.
    #[schema(example = "Ana Lima")]
    name: Option<String>,
    /// Where the holder gets mail; null if that was erased.
    #[schema(example = "ana@example.org")]
    email: Option<String>,
    /// Whether personal fields were erased.
    erased: bool,
    /// The operator's own number for this customer.
    #[schema(example = "00002")]
    reference: Option<String>,
    /// The number of its newest event.
    #[schema(example = 1)]
    version: i64,
    /// Since when it is known.
    #[schema(value_type = String, format = DateTime)]
    registered_at: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
}

/// List accounts.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "identity", operation_id = "listAccounts",
    params(("filter[reference]" = Option<String>, Query,
            description = "Only the one with this number of the operator's.", example = "00002"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page; `Link` leads to the next.", headers(("Link")), body = Page<Account>,
               example = json!({"data": [{"account": "018f4e7a-0000-7000-8000-000000000001", "name": "Ana Lima",
                   "email": "ana@example.org", "erased": false, "reference": "00002", "version": 1,
                   "registered_at": "2026-11-21T09:00:00.000000Z", "changed_at": "2026-11-21T09:00:00.000000Z"}],
                   "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn accounts(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let reference: Option<String> = params.take("filter[reference]")?;
    let page = PageRequest::<Uuid>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, ACCOUNTS, READS, &token).await?;
    let rows = sqlx::query_as!(
        Account,
        r#"select account as "account!", name, email, (name_erased or email_erased) as "erased!", reference,
                  version as "version!", registered_at as "registered_at!", changed_at as "changed_at!"
             from read.accounts
            where account > coalesce($1, '00000000-0000-0000-0000-000000000000'::uuid)
              and ($2::text is null or reference = $2)
            order by account limit $3"#,
        page.after().copied(),
        reference,
        page.rows(),
    )
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| last.account)))
}

/// Show an account.
#[utoipa::path(
    get, path = "/v1/accounts/{account}", tag = "identity", operation_id = "getAccount",
    params(("account" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000001"),
           ("If-None-Match" = Option<String>, Header),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "The account; `ETag` is its version.", headers(("ETag")), body = Account,
               example = json!({"account": "018f4e7a-0000-7000-8000-000000000001", "name": "Ana Lima",
                   "email": "ana@example.org", "erased": false, "reference": "00002", "version": 1,
                   "registered_at": "2026-11-21T09:00:00.000000Z", "changed_at": "2026-11-21T09:00:00.000000Z"})),
              (status = 304, description = "You have it.", headers(("ETag"))), Problem)
)]
async fn account(
    State(app): State<Api>,
    _: Caller,
    Path(account): Path<AccountId>,
    token: ConsistencyToken,
    held: IfNoneMatch,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let fresh = fresh(&app, ACCOUNTS, READS, &token).await?;
    let row = sqlx::query_as!(
        Account,
        r#"select account as "account!", name, email, (name_erased or email_erased) as "erased!", reference,
                  version as "version!", registered_at as "registered_at!", changed_at as "changed_at!"
             from read.accounts where account = $1"#,
        account.0,
    )
    .fetch_optional(&app.views)
    .await
    .map_err(failed)?;
    let Some(row) = row else {
        let detail =
            format!("there is no account {account}, or not yet: send the Consistency-Token of its registration");
        return Ok(fresh.answer(Problem::not_found("account-not-found", detail)));
    };
    Ok(fresh.answer(tagged(&held, row.version, row)))
}
