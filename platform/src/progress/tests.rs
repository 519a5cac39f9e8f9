//! Waiting ends when the view is there, when it never will be, or in time.

use std::time::Duration;

use uuid::Uuid;

use super::*;

const HISTORY: History = History(Uuid::from_u128(1));

fn at(position: i64) -> Place {
    Place { history: HISTORY, position: Position(position), whole: true }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test]
async fn a_reader_waits_until_the_view_is_there() {
    let progress = Progress::default();
    progress.publish("jars_by_day", "parcels", 0, at(1));
    let reader = tokio::spawn({
        let progress = progress.clone();
        async move { progress.wait("jars_by_day", "parcels", 0, (HISTORY, Position(3)), soon()).await }
    });
    progress.wanted("jars_by_day").await;
    assert!(progress.waiting("parcels"));
    assert!(!progress.waiting("stamps"));
    progress.publish("jars_by_day", "parcels", 0, at(2));
    assert!(!reader.is_finished());
    progress.publish("jars_by_day", "parcels", 0, at(3));
    assert_eq!(reader.await.unwrap(), Some(Seen::Reached { whole: true }));
    assert!(!progress.waiting("parcels"));
}

#[tokio::test]
async fn a_wait_ends_in_time_and_at_once_in_another_history() {
    let progress = Progress::default();
    progress.publish("jars_by_day", "parcels", WHOLE_STORE, at(1));
    let later = (HISTORY, Position(2));
    let at_once = Instant::now() + Duration::from_millis(10);
    assert_eq!(progress.wait("jars_by_day", "parcels", 4, later, at_once).await, Some(Seen::Late));
    let other = (History(Uuid::from_u128(2)), Position(1));
    assert_eq!(progress.wait("jars_by_day", "parcels", 4, other, soon()).await, Some(Seen::OtherHistory));
    assert_eq!(progress.wait("elsewhere", "parcels", 4, later, soon()).await, None);
}
