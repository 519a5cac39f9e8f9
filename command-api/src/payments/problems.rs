//! What payments may refuse, explained.

use platform::problem::Explanation;

/// What a payment may refuse. Some of it only programs hear: authorizations are asked for and outcomes recorded by
/// processes, not over HTTP.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new("payment-amount-out-of-range", 422, "The amount is zero, negative or absurd."),
    Explanation::new("payment-authorization-failed", 409, "The authorization failed, which ends the payment."),
    Explanation::new("payment-captured", 409, "Money of the payment is captured, or is being captured. Refund it."),
    Explanation::new("payment-currency-differs", 409, "The payment is in another currency than the amount."),
    Explanation::new(
        "payment-exceeds-authorized",
        409,
        "Less is authorized and neither captured nor being captured. The detail says how much is left.",
    ),
    Explanation::new(
        "payment-exceeds-captured",
        409,
        "Less is captured and neither refunded nor being refunded. The detail says how much is left.",
    ),
    Explanation::new("payment-exists", 409, "A payment with this id and other content was asked for before."),
    Explanation::new("payment-method-invalid", 422, "The method is no token: it is empty, too long, or has blanks."),
    Explanation::new(
        "payment-not-authorized",
        409,
        "The authorization is under way. Repeat the request when the payment is authorized.",
    ),
    Explanation::new(
        "payment-not-found",
        404,
        "There is no such payment, or not yet: send the Consistency-Token of what asked for it.",
    ),
    Explanation::new(
        "payment-operation-exists",
        409,
        "An operation with this id and other content was asked for before, and acts once. Take a new id.",
    ),
    Explanation::new(
        "payment-operation-not-found",
        404,
        "The payment has no such operation, or not yet: send the Consistency-Token of what asked for it.",
    ),
    Explanation::new("payment-operations-too-many", 409, "The payment has as many such operations as there may be."),
    Explanation::new(
        "payment-outcome-contradicts",
        409,
        "Another outcome of the operation was recorded before and is final. Ask the provider which one holds: the \
         money may have moved twice.",
    ),
    Explanation::new("payment-outcome-invalid", 422, "What the provider said has words of no form."),
    Explanation::new("payment-voided", 409, "The payment was asked to be voided, so nothing of it can be captured."),
];
