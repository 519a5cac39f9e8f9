//! What the broker refuses, for those who ask whether a person is needed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;

/// A refusal counts for so long: a consumer that is refused is made anew before, and meets it again if it still stands.
const COUNTS_FOR: Duration = Duration::from_secs(15);

/// The newest refusal.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<Option<(Instant, String)>>>);

impl Refusals {
    pub(crate) fn note(&self, reason: String, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, reason));
    }

    /// What the broker refuses now.
    pub(crate) fn standing(&self, now: Instant) -> Option<String> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().filter(|(at, _)| now.duration_since(*at) < COUNTS_FOR).map(|(_, reason)| reason.clone())
    }
}

/// Whether the broker is there and says no. A broker that is away comes back, and a topic that does not exist yet is
/// made by the relay.
pub(crate) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState
            | Code::SSL
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}

#[cfg(test)]
mod tests;
