use super::{Alter, Create, Plan, Topic};

#[test]
fn events_are_kept_for_ever_and_never_compacted() {
    let topic = Topic::events("post.parcels.events.v1", 6);
    assert_eq!(topic.settings["retention.ms"], "-1");
    assert_eq!(topic.settings["retention.bytes"], "-1");
    assert_eq!(topic.settings["cleanup.policy"], "delete");
}

#[test]
fn a_plan_reads_like_a_diff() {
    let plan = Plan {
        creates: vec![Create { topic: Topic::events("parcels.v1", 6), replication: 3 }],
        alters: vec![Alter {
            topic: "letters.v1".to_owned(),
            changes: vec![("retention.ms", "604800000".to_owned(), "-1")],
            kept: vec![],
        }],
    };
    let text = plan.to_string();
    assert_eq!(
        text,
        "+ parcels.v1 partitions=6 replication=3 cleanup.policy=delete retention.bytes=-1 retention.ms=-1\n\
         ~ letters.v1 retention.ms=604800000->-1\n"
    );
}

#[test]
fn an_empty_plan_says_nothing() {
    assert!(Plan::default().is_empty());
    assert_eq!(Plan::default().to_string(), "");
}
