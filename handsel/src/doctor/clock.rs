//! Clocks that disagree: this machine's, that of Postgres, and that of the events.

use chrono::{DateTime, Utc};
use event_schemas::Context;
use platform::clock;

use super::{NotLooked, Patient, Seen};

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let max = i64::from(patient.limits.clock_skew_max_ms) * 1_000;
    for (name, pool) in patient.reached() {
        let before = clock::now().micros();
        let theirs: DateTime<Utc> = sqlx::query_scalar("select clock_timestamp()").fetch_one(pool).await?;
        let skew = skew(before, theirs.timestamp_micros(), clock::now().micros());
        if skew.abs() > max {
            seen.warning(
                "clock.skew",
                format!("the clock of Postgres at {name} is {} this machine's", apart(skew)),
                "lags and logs of this machine tell another time than events, which carry that of Postgres",
                "let both machines follow a time server (chrony, systemd-timesyncd)",
            );
        }
    }
    for context in Context::ALL {
        let vitals = patient.store(context)?.vitals().await?;
        let ahead = vitals.newest_at.map_or(0, |newest| newest.micros() - vitals.postgres_now.micros());
        if ahead > max {
            seen.error(
                "clock.events-from-the-future",
                format!("the newest event of `{context}` is {} the clock of Postgres", apart(ahead)),
                "that clock was set back: time never goes back within a store, so new events get this time too",
                "let the machine of Postgres follow a time server; it passes when its clock has caught up",
            );
        }
    }
    Ok(())
}

/// How far their clock is ahead, at least: their answer was made at some moment between the question and its arrival.
fn skew(asked: i64, theirs: i64, answered: i64) -> i64 {
    if theirs > answered {
        theirs - answered
    } else if theirs < asked {
        theirs - asked
    } else {
        0
    }
}

fn apart(micros: i64) -> String {
    let (seconds, millis) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() / 1_000 % 1_000);
    format!("{seconds}.{millis:03} s {}", if micros > 0 { "ahead of" } else { "behind" })
}

#[cfg(test)]
mod tests {
    use super::skew;

    #[test]
    fn an_answer_from_between_question_and_arrival_is_no_skew() {
        assert_eq!(skew(100, 150, 200), 0);
        assert_eq!(skew(100, 250, 200), 50);
        assert_eq!(skew(100, 40, 200), -60);
    }
}
