//! The built-in inbox over HTTP: what would be somebody's mail program is two requests here.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use envelope::Timestamp;
use platform::caller::Caller;
use platform::http::{Page, PageRequest, Params, Path};
use platform::problem::{Explanation, Problem};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::inbox::{Inbox, Opened, Unread};

const RETRY_AFTER_S: u32 = 1;

/// What a reader may be told.
const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "inbox-not-in-use",
        404,
        "Mail goes to the server that SMTP_URL names, so the built-in inbox has none.",
    ),
    Explanation::new(
        "mail-not-found",
        404,
        "The inbox has no such mail, or not yet: mail follows an event after a moment. The oldest make room, and mail \
         of somebody who was erased is gone.",
    ),
    Explanation::new("inbox-unavailable", 503, "The inbox's database cannot be reached. Repeat after Retry-After."),
];

/// The routes of the inbox.
pub fn routes(inbox: Inbox) -> Router {
    described().split_for_parts().0.with_state(inbox)
}

/// What they take and answer.
#[must_use]
pub fn openapi() -> OpenApi {
    described().into_openapi()
}

/// What their problems mean, besides those that every API may answer.
#[must_use]
pub fn problems() -> Vec<Explanation> {
    PROBLEMS.to_vec()
}

fn described() -> OpenApiRouter<Inbox> {
    OpenApiRouter::new().routes(routes!(mails)).routes(routes!(mail))
}

/// A mail without what it says.
#[derive(Debug, Serialize, ToSchema)]
struct MailHead {
    /// The event that it tells of.
    mail: Uuid,
    /// What kind it is of.
    #[schema(example = "order_confirmed")]
    kind: String,
    /// Of which order.
    order: Uuid,
    /// To whom.
    #[schema(example = "Ana Lima <ana@example.org>")]
    to: String,
    /// What it is about.
    #[schema(example = "Your order is confirmed: Lamp, Brass")]
    subject: String,
    /// When it was laid into the inbox.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

/// A mail.
#[derive(Debug, Serialize, ToSchema)]
struct MailRead {
    /// What stands outside.
    #[serde(flatten)]
    head: MailHead,
    /// Who it is from.
    #[schema(example = "Handsel <noreply@handsel.localhost>")]
    from: String,
    /// Its `Message-ID`, which derives from the event.
    #[schema(example = "<018f4e7a-0000-7000-8000-00000000000a@handsel.localhost>")]
    message_id: String,
    /// What it says, as text.
    text: String,
    /// What it says, as HTML.
    html: String,
}

/// List mail in the built-in inbox.
///
/// Mail lies here instead of being sent, as long as `SMTP_URL` names no server. It waits for no token: mail follows its
/// event after a moment.
#[utoipa::path(
    get, path = "/v1/inbox", tag = "mail", operation_id = "listInbox",
    params(("to" = Option<String>, Query, description = "Only to this address.", example = "ana@example.org"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page, newest first; `Link` leads to the next.", headers(("Link")),
               body = Page<MailHead>,
               example = json!({"data": [{"mail": "018f4e7a-0000-7000-8000-00000000000a", "kind": "order_confirmed",
                   "order": "018f4e7a-0000-7000-8000-000000000002", "to": "Ana Lima <ana@example.org>",
                   "subject": "Your order is confirmed: Lamp, Brass",
                   "received_at": "2026-11-21T09:00:00.000000Z"}], "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn mails(State(inbox): State<Inbox>, _: Caller, mut params: Params) -> Result<Response, Problem> {
    let to: Option<String> = params.take("to")?;
    let page = PageRequest::<i64>::read(&mut params, &inbox.tokens)?;
    in_use(&inbox)?;
    let mails = inbox.list(to.as_deref(), page.after().copied(), page.rows()).await.map_err(failed)?;
    let rows: Vec<_> = mails.into_iter().map(|mail| (mail.number, head(&mail))).collect();
    let answered = page.page(&inbox.tokens, rows, |(number, _)| *number);
    Ok(answered.within(|page| Page {
        data: page.data.into_iter().map(|(_, head)| head).collect(),
        next_cursor: page.next_cursor,
        has_more: page.has_more,
    }))
}

/// Read mail in the built-in inbox.
#[utoipa::path(
    get, path = "/v1/inbox/{mail}", tag = "mail", operation_id = "readMail",
    params(("mail" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-00000000000a")),
    responses((status = 200, description = "The mail.", body = MailRead,
               example = json!({"mail": "018f4e7a-0000-7000-8000-00000000000a", "kind": "order_confirmed",
                   "order": "018f4e7a-0000-7000-8000-000000000002", "to": "Ana Lima <ana@example.org>",
                   "subject": "Your order is confirmed: Lamp, Brass", "received_at": "2026-11-21T09:00:00.000000Z",
                   "from": "Handsel <noreply@handsel.localhost>",
                   "message_id": "<018f4e7a-0000-7000-8000-00000000000a@handsel.localhost>",
                   "text": "Hello Ana Lima, …", "html": "<!doctype html>…"})),
              Problem)
)]
async fn mail(
    State(inbox): State<Inbox>,
    _: Caller,
    Path(mail): Path<Uuid>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    in_use(&inbox)?;
    let Some(mail) = inbox.get(mail).await.map_err(failed)? else {
        let detail = format!("the inbox has no mail {mail}, or not yet, or not any more");
        return Err(Problem::not_found("mail-not-found", detail));
    };
    let head = head(&mail);
    let content = mail.content;
    let (from, message_id, text, html) = (content.from, content.message_id, content.text, content.html);
    Ok(axum::Json(MailRead { head, from, message_id, text, html }).into_response())
}

fn head(mail: &Opened) -> MailHead {
    MailHead {
        mail: mail.id,
        kind: mail.kind.clone(),
        order: mail.about,
        to: mail.content.to.clone(),
        subject: mail.content.subject.clone(),
        received_at: Timestamp::new(mail.received_at),
    }
}

fn in_use(inbox: &Inbox) -> Result<(), Problem> {
    if inbox.in_use {
        return Ok(());
    }
    let detail = "mail goes to the server that SMTP_URL names, so there is none here";
    Err(Problem::not_found("inbox-not-in-use", detail))
}

fn failed(error: Unread) -> Problem {
    tracing::warn!(%error, "The inbox cannot be read: {error}");
    let detail = "the inbox cannot be read just now; repeat the request";
    Problem::unavailable("inbox-unavailable", detail, RETRY_AFTER_S)
}
