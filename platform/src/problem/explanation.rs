//! What the codes of problems mean, for whoever meets one: each stands beside the code that answers it.

/// What a code means and what to do. Served with the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The code, which never changes.
    pub code: &'static str,
    /// The HTTP status with which it comes.
    pub status: u16,
    /// What it means and what to do, for all cases.
    pub meaning: &'static str,
}

impl Explanation {
    /// Of one code.
    #[must_use]
    pub const fn new(code: &'static str, status: u16, meaning: &'static str) -> Self {
        Self { code, status, meaning }
    }
}

/// What every API here may answer.
pub const COMMON: &[Explanation] = &[
    Explanation::new(
        "bad-field",
        422,
        "The body is JSON, but a field is not as it must be; errors has its JSON Pointer. Mend it and send again.",
    ),
    Explanation::new("bad-json", 400, "The body is not JSON in UTF-8. Mend it where the detail says."),
    Explanation::new(
        "bad-parameter",
        400,
        "A header or a parameter of path or query is unknown, repeated or of the wrong form; errors names it.",
    ),
    Explanation::new(
        "body-too-large",
        413,
        "The body is longer than this server takes: 2 MiB unless it was set otherwise. Split it.",
    ),
    Explanation::new("body-unreadable", 400, "The body did not arrive whole. Send it again."),
    Explanation::new(
        "idempotency-key-missing",
        400,
        "This operation needs an Idempotency-Key: a new random UUID for each new request, the same one when repeating.",
    ),
    Explanation::new(
        "if-match-missing",
        428,
        "This operation needs If-Match with the ETag of the version that the change was made for.",
    ),
    Explanation::new("internal", 500, "Something is wrong on our side. Give the trace_id to the operator."),
    Explanation::new("method-not-allowed", 405, "The method is not possible here; the header Allow says which are."),
    Explanation::new("no-such-route", 404, "There is nothing at this path."),
    Explanation::new("timeout", 503, "The request took too long. Repeat it with the same Idempotency-Key."),
    Explanation::new("wrong-content-type", 415, "The body has another media type than this operation takes."),
];
