//! Where a payer does what the simulated provider waits for: what would be a page of a bank is one request here.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use event_schemas::ids::{OperationId, PaymentId};
use platform::caller::Caller;
use platform::http::Path2;
use platform::problem::{Explanation, Problem};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Confirmation, Simulator};

const RETRY_AFTER_S: u32 = 1;

/// What a payer may be told.
const PROBLEMS: &[Explanation] = &[
    Explanation::new(
        "payment-action-not-required",
        409,
        "The simulated provider does not wait for the payer of this operation.",
    ),
    Explanation::new(
        "payment-operation-not-found",
        404,
        "The payment has no such operation, or not yet: send the Consistency-Token of what asked for it.",
    ),
    Explanation::new(
        "payment-provider-unavailable",
        503,
        "The simulated payment provider cannot reach its database. Repeat after Retry-After.",
    ),
];

/// The routes of the simulated provider.
pub fn routes(simulator: Simulator) -> Router {
    described().split_for_parts().0.with_state(simulator)
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

fn described() -> OpenApiRouter<Simulator> {
    OpenApiRouter::new().routes(routes!(confirm))
}

/// Confirm an operation of the payment simulator.
///
/// The payer does what an operation that is `pending` with `action_required` waits for. A real provider has a page of
/// its own for this. The payment learns of it when the provider is asked next, within half a minute.
#[utoipa::path(
    post, path = "/v1/payments/{payment}/operations/{operation}/confirm", tag = "payments",
    operation_id = "confirmPaymentOperation",
    params(("payment" = Uuid, Path, description = "Of which.", example = "018f4e7a-0000-7000-8000-000000000005"),
           ("operation" = Uuid, Path, description = "Which one.", example = "018f4e7a-0000-7000-8000-000000000006")),
    responses((status = 204, description = "It is confirmed, or was before."), Problem)
)]
async fn confirm(
    State(simulator): State<Simulator>,
    _: Caller,
    Path2(payment, operation): Path2<PaymentId, OperationId>,
) -> Result<StatusCode, Problem> {
    match simulator.confirm(payment, operation).await {
        Ok(Confirmation::Confirmed) => Ok(StatusCode::NO_CONTENT),
        Ok(Confirmation::NotAwaited) => {
            let detail = "nothing is required of the payer of this operation; look at its state";
            Err(Problem::new(StatusCode::CONFLICT, "payment-action-not-required", detail))
        }
        Ok(Confirmation::NotFound) => {
            let detail = format!(
                "the payment simulator was never asked for operation {operation} of payment {payment}, or not yet"
            );
            Err(Problem::not_found("payment-operation-not-found", detail))
        }
        Err(error) => {
            tracing::warn!(%error, "The payment simulator cannot reach its database");
            let detail = "the payment simulator cannot reach its database; repeat the request";
            Err(Problem::unavailable("payment-provider-unavailable", detail, RETRY_AFTER_S))
        }
    }
}
