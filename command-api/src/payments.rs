//! Payments over HTTP: what people may ask of them. Nothing is decided here, and authorizations are asked for by the
//! process of an order.

mod problems;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::payments::{Payment, PaymentCommand, PaymentError};
use event_schemas::ids::{OperationId, PaymentId};
use event_schemas::{Context, Currency, Money};
use event_store::Done;
use platform::http::{IdempotencyKey, RawJson};
use platform::problem::Problem;
use platform::token::TokenKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer;

pub(crate) use problems::PROBLEMS;

/// What the commands of this context need.
#[derive(Clone)]
pub struct Commands {
    /// Decides on payments.
    pub payments: event_store::Commands<Payment>,
}

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) commands: Commands,
    pub(crate) tokens: TokenKey,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(capture)).routes(routes!(void)).routes(routes!(refund))
}

/// How much money is to be moved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PaymentOperationWanted)]
struct Wanted {
    /// The id of the operation, if the sender has one; otherwise it follows from caller and Idempotency-Key.
    #[schema(value_type = Option<Uuid>)]
    operation: Option<OperationId>,
    /// How much; all that is left if it is absent.
    amount: Option<Amount>,
}

/// An amount, in whole minor units.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AmountWanted)]
struct Amount {
    /// In the currency's smallest unit: 177 is 1.77 USD.
    #[schema(example = 177, minimum = 1)]
    amount_minor: i64,
    /// ISO 4217; the currency of the payment.
    #[schema(value_type = String, example = "USD", pattern = "^[A-Z]{3}$")]
    currency: Currency,
}

/// An operation that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentOperationAsked)]
struct Asked {
    /// Which one.
    #[schema(value_type = Uuid)]
    operation: OperationId,
    /// The version of the payment now.
    #[schema(example = 4)]
    version: i64,
}

impl From<Amount> for Money {
    fn from(Amount { amount_minor, currency }: Amount) -> Self {
        Self { amount_minor, currency }
    }
}

type Asking = crate::asking::Asking<PaymentId>;

/// The operation that a repeat of the request asks for too.
fn operation(who: &Asking, key: &IdempotencyKey) -> OperationId {
    OperationId(who.caller.derive(key.as_str()))
}

async fn decided(
    app: &App,
    who: &Asking,
    (name, last): (&'static str, &str),
    command: PaymentCommand,
    body: &[u8],
) -> Result<Done, Problem> {
    let ask = who.ask(&app.tokens, "/v1/payments", last, body);
    let came = app.commands.payments.execute(&who.id.to_string(), command, ask).await;
    answer::counted("payment", name, came).map_err(|no| answer::refused(no, field_of))
}

/// An operation that moves money, asked for with its amount.
async fn operated(
    app: &App,
    (who, key): (Asking, IdempotencyKey),
    names: (&'static str, &str),
    body: RawJson<Wanted>,
    command: impl FnOnce(OperationId, Option<Money>) -> PaymentCommand,
) -> Result<Response, Problem> {
    let Wanted { operation: chosen, amount } = body.value;
    let operation = chosen.unwrap_or_else(|| operation(&who, &key));
    let done = decided(app, &who, names, command(operation, amount.map(Money::from)), &body.bytes).await?;
    Ok(asked(app, who.id, operation, &done))
}

/// 202 with the place of the operation, whose state says what comes of it.
fn asked(app: &App, payment: PaymentId, operation: OperationId, done: &Done) -> Response {
    let body = Json(Asked { operation, version: done.version });
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    if let Ok(place) = HeaderValue::try_from(format!("/v1/payments/{payment}/operations/{operation}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    answer::noted(response, Context::Payments, done, &app.tokens)
}

/// Capture authorized money.
///
/// An order's process captures by itself; this is for operators.
#[utoipa::path(
    post, path = "/v1/payments/{payment}/capture", tag = "payments", operation_id = "capturePayment",
    request_body(content = Wanted, example = json!({"amount": {"amount_minor": 1177, "currency": "USD"}})),
    params(("payment" = Uuid, Path, description = "Which payment.", example = "018f4e7a-0000-7000-8000-000000000005"),
           ("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"2\"")),
    responses(
        (status = 202, description = "It is asked for; the operation at `Location` says what comes of it.",
         headers(("ETag"), ("Location"), ("Consistency-Token"), ("Idempotent-Replayed")), body = Asked,
         example = json!({"operation": "018f4e7a-0000-7000-8000-000000000006", "version": 3})),
        Problem)
)]
async fn capture(
    State(app): State<App>,
    who: Asking,
    key: IdempotencyKey,
    body: RawJson<Wanted>,
) -> Result<Response, Problem> {
    let command = |operation, amount| PaymentCommand::Capture { operation, amount };
    operated(&app, (who, key), ("Capture", "capture"), body, command).await
}

/// Give the promise of an authorized payment back.
///
/// While the authorization is under way, the void waits for it. Asking again changes nothing.
#[utoipa::path(
    post, path = "/v1/payments/{payment}/void", tag = "payments", operation_id = "voidPayment",
    params(("payment" = Uuid, Path, description = "Which payment.", example = "018f4e7a-0000-7000-8000-000000000005"),
           ("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"2\"")),
    responses(
        (status = 204, description = "It is asked for, or was before, or there is nothing to void.",
         headers(("ETag"), ("Consistency-Token"), ("Idempotent-Replayed"))),
        Problem)
)]
async fn void(State(app): State<App>, who: Asking, key: IdempotencyKey) -> Result<Response, Problem> {
    let command = PaymentCommand::Void { operation: operation(&who, &key) };
    let done = decided(&app, &who, ("Void", "void"), command, &[]).await?;
    Ok(answer::changed(Context::Payments, &done, &app.tokens))
}

/// Give captured money back.
#[utoipa::path(
    post, path = "/v1/payments/{payment}/refunds", tag = "payments", operation_id = "refundPayment",
    request_body(content = Wanted, example = json!({"amount": {"amount_minor": 177, "currency": "USD"}})),
    params(("payment" = Uuid, Path, description = "Which payment.", example = "018f4e7a-0000-7000-8000-000000000005"),
           ("Idempotency-Key" = String, Header,
            description = "Names this request, so that a repeat does not do it twice.",
            example = "7d444840-9dc0-4ad1-b245-5ffdce74fad2"),
           ("If-Match" = Option<String>, Header, description = "The version it is made for.", example = "\"4\"")),
    responses(
        (status = 202, description = "It is asked for; the operation at `Location` says what comes of it.",
         headers(("ETag"), ("Location"), ("Consistency-Token"), ("Idempotent-Replayed")), body = Asked,
         example = json!({"operation": "018f4e7a-0000-7000-8000-000000000007", "version": 5})),
        Problem)
)]
async fn refund(
    State(app): State<App>,
    who: Asking,
    key: IdempotencyKey,
    body: RawJson<Wanted>,
) -> Result<Response, Problem> {
    let command = |operation, amount| PaymentCommand::Refund { operation, amount };
    operated(&app, (who, key), ("Refund", "refunds"), body, command).await
}

fn field_of(error: &PaymentError) -> Option<&'static str> {
    match error {
        PaymentError::BadAmount | PaymentError::ExceedsAuthorized { .. } | PaymentError::ExceedsCaptured { .. } => {
            Some("/amount/amount_minor")
        }
        PaymentError::OtherCurrency { .. } => Some("/amount/currency"),
        PaymentError::OperationExists => Some("/operation"),
        PaymentError::NotFound
        | PaymentError::BadMethod
        | PaymentError::BadOutcome
        | PaymentError::AlreadyExists
        | PaymentError::NotAuthorized
        | PaymentError::AuthorizationFailed
        | PaymentError::Voided
        | PaymentError::AlreadyCaptured
        | PaymentError::OperationNotFound
        | PaymentError::TooManyOperations
        | PaymentError::OutcomeContradicts => None,
    }
}
