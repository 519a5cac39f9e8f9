//! Webhooks: whether their receivers take what is sent.

use super::{NotLooked, Patient, Seen};

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    for one in reactors::webhooks::ailing(patient.views()?).await? {
        let why = one.why.as_deref().unwrap_or("nobody said why");
        if one.disabled {
            seen.warning(
                "webhooks.disabled",
                format!("the webhook {} to {} is disabled: {why}", one.webhook, one.url),
                "nothing is sent to it; what happens meanwhile is kept for it",
                format!("delete it, or let it go on: PATCH /v1/webhooks/{} with {{\"state\":\"active\"}}", one.webhook),
            );
        }
        if one.parked > 0 {
            let since = one.since.map(|since| since.to_string()).unwrap_or_default();
            seen.error(
                "webhooks.parked",
                format!(
                    "{} deliveries of the webhook {} to {} failed for the last time, the oldest of {since}: {why}",
                    one.parked, one.webhook, one.url
                ),
                "the receiver lacks them, and what follows for the same aggregates waits behind them",
                format!(
                    "see them with `handsel webhooks deliveries {} --state parked`, mend the receiver, then `handsel \
                     webhooks retry` or `skip` with that webhook and the number",
                    one.webhook
                ),
            );
        }
    }
    Ok(())
}
