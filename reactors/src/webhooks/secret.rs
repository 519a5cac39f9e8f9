//! The secret that we share with a receiver: how it looks, how it signs, and how it is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use envelope::{OpenError, Sealed, SubjectKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

const PREFIX: &str = "whsec_";
/// How many bytes a new one has, and how many one may have that came from elsewhere.
const BYTES: usize = 32;
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// A secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// The text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is `whsec_` followed by {BYTES_MIN} to {BYTES_MAX} bytes in base64")]
pub struct UnfitSecret;

impl Secret {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random::<[u8; BYTES]>().to_vec())
    }

    /// One that a person wrote.
    ///
    /// # Errors
    /// If it is of another form.
    pub fn parse(text: &str) -> Result<Self, UnfitSecret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|rest| BASE64.decode(rest).ok()).ok_or(UnfitSecret)?;
        if (BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(UnfitSecret) }
    }

    /// As the receiver wants it.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// What stands in `webhook-signature`.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

/// Shows nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Seals secrets for the database, under a key that follows from the master key.
#[derive(Clone)]
pub struct Secrets([u8; 32]);

impl Secrets {
    /// What every process of an instance derives from the same master key.
    #[must_use]
    pub fn new(derived: [u8; 32]) -> Self {
        Self(derived)
    }

    pub(super) fn seal(&self, webhook: Uuid, secret: &Secret) -> Sealed<String> {
        self.key(webhook).seal("secret", &secret.expose())
    }

    pub(super) fn open(&self, webhook: Uuid, sealed: &Sealed<String>) -> Result<Secret, OpenError> {
        let text = self.key(webhook).open("secret", sealed)?;
        Secret::parse(&text).map_err(|_| OpenError::OtherShape)
    }

    fn key(&self, webhook: Uuid) -> SubjectKey {
        SubjectKey::new(webhook, format!("webhook/{webhook}"), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_specification_has_it() {
        // The example of the specification's own libraries.
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_what_has_the_form_is_taken() {
        assert_eq!(Secret::parse(&Secret::random().expose()).unwrap().0.len(), BYTES);
        for text in
            ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"]
        {
            assert_eq!(Secret::parse(text), Err(UnfitSecret), "{text}");
        }
    }

    #[test]
    fn what_is_kept_opens_for_its_own_webhook_and_under_the_same_key_only() {
        let (ours, webhook) = (Secrets::new([1; 32]), Uuid::from_u128(7));
        let sealed = ours.seal(webhook, &Secret(vec![5; 32]));
        assert_eq!(ours.open(webhook, &sealed).unwrap(), Secret(vec![5; 32]));
        assert!(ours.open(Uuid::from_u128(8), &sealed).is_err());
        assert!(Secrets::new([2; 32]).open(webhook, &sealed).is_err());
        assert!(!serde_json::to_string(&sealed).unwrap().contains("whsec_"));
    }
}
