//! The read models: whether somebody follows them, how far they are behind, and what they leave out.

use std::time::Duration;

use projectors::parked::{self, Parked};
use projectors::registry::READ_MODELS;
use projectors::{Status, status};

use super::{NotLooked, Patient, Seen};

/// What a follower says of itself when all is well.
const FOLLOWING: &str = "following";
/// Longer than it takes until a new follower says so.
const SECOND_LOOK: Duration = Duration::from_secs(5);

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let views = patient.views()?;
    let served = patient.is_served(views).await?;
    let mut all = status(views).await?;
    if served && all.iter().any(|status| status.followers.is_empty()) {
        // Who has just started, or took over from another one, has not said so yet.
        tokio::time::sleep(SECOND_LOOK).await;
        all = status(views).await?;
    }
    for status in all {
        versions(&status, seen);
        if served {
            followed(&status, seen);
        }
        if let Some(lag) = status.lag.filter(|lag| lag.seconds > f64::from(patient.limits.view_lag_max_s)) {
            seen.warning(
                "read-models.far-behind",
                format!("`{}` lacks {} events, the oldest is {:.0} s old", status.projection, lag.events, lag.seconds),
                "queries answer from old rows; those with a Consistency-Token wait and then get 503",
                "see whether the number falls; otherwise what the projector's log says of it",
            );
        }
        if status.parked > 0 {
            let oldest = parked::list(views, Some(status.projection)).await;
            let oldest = oldest.map_err(|error| NotLooked::because(error.to_string()))?.events;
            held_back(&status, oldest.iter().min_by_key(|event| event.parked_at), seen);
        }
    }
    Ok(())
}

fn versions(status: &Status, seen: &mut Seen) {
    let (name, model) = (status.projection, READ_MODELS.iter().find(|model| model.name == status.projection));
    let (Some(made), Some(model)) = (status.version, model) else { return };
    if made != model.version() {
        seen.error(
            "read-models.other-version",
            format!(
                "the rows of `{name}` were made by version {made} of its code, this is version {}",
                model.version()
            ),
            "a projector of this version does not follow it, so it stands still",
            format!("`handsel rebuild {name} --accept`, or run projectors of the version that made them"),
        );
    }
}

fn followed(status: &Status, seen: &mut Seen) {
    let name = status.projection;
    if status.followers.is_empty() {
        seen.error(
            "read-models.nobody-follows",
            format!("`{name}` has had no follower for 10 s, while other roles run"),
            "it stands still: queries answer from old rows",
            "start a projector (`handsel projector`), or see in its log why it ended",
        );
    }
    for state in status.followers.iter().filter(|state| *state != FOLLOWING) {
        seen.error(
            "read-models.stopped",
            format!("`{name}` stopped: {state}"),
            "it stands still: queries answer from old rows",
            "mend what it says; it tries again by itself",
        );
    }
}

fn held_back(status: &Status, oldest: Option<&Parked>, seen: &mut Seen) {
    let oldest = oldest.map_or_else(String::new, |event| {
        let (kind, context, position) = (&event.event_type, &event.context, event.position);
        format!(
            "; the oldest is {kind} at position {position} of `{context}`, since {}: {}",
            event.parked_at, event.reason
        )
    });
    seen.error(
        "read-models.parked",
        format!("`{}` left out {} events{oldest}", status.projection, status.parked),
        "what they changed is not shown, and later events of the same aggregates wait behind them",
        format!("`handsel parked list {}`, mend the cause, then `handsel parked retry`", status.projection),
    );
}
