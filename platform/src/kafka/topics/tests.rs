use rdkafka::ClientConfig;

use super::{Alter, Create, Plan, Topic, TopicsError, plan};

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
        unknown: vec![("stamps.v1".to_owned(), "it is not allowed".to_owned())],
    };
    let text = plan.to_string();
    assert_eq!(
        text,
        "+ parcels.v1 partitions=6 replication=3 cleanup.policy=delete \
           message.timestamp.after.max.ms=9223372036854775807 retention.bytes=-1 retention.ms=-1\n\
         ~ letters.v1 retention.ms=604800000->-1\n\
         ? stamps.v1 the broker does not tell its settings: it is not allowed\n"
    );
}

#[test]
fn an_empty_plan_says_nothing() {
    assert!(Plan::default().is_empty());
    assert_eq!(Plan::default().to_string(), "");
}

#[tokio::test]
async fn settings_that_make_no_client_are_not_taken_for_a_broker_that_is_away() {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", "127.0.0.1:1").set("security.protocol", "swordfish");
    let failed = plan(&config, &[Topic::events("parcels.v1", 6)]).await.unwrap_err();
    assert!(matches!(failed, TopicsError::Client(_)), "{failed}");
    assert!(failed.to_string().contains("KAFKA_*"), "{failed}");
}
