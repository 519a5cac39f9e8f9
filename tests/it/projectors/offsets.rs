//! What tools for lag see of the projections: the offsets of a consumer group that is never a member.

use std::time::Duration;

use event_schemas::{Context, PARTITIONS};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;
use tests::{ETA_MAX, World, until};

const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The lag of a group as `kafka-consumer-groups --describe` counts it, of the partitions that hold anything.
pub(super) fn lags(mut kafka: ClientConfig, topic: &str, group: &str) -> Vec<(i32, Option<i64>)> {
    let consumer: BaseConsumer = kafka.set("group.id", group).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, PARTITIONS - 1);
    let committed = consumer.committed_offsets(asked, ANSWER_MAX).unwrap();
    let lag = |partition| {
        let (begin, end) = consumer.fetch_watermarks(topic, partition, ANSWER_MAX).unwrap();
        let at = committed.find_partition(topic, partition).map(|found| found.offset());
        let lag = if let Some(Offset::Offset(at)) = at { Some(end - at) } else { None };
        (end > begin).then_some((partition, lag))
    };
    (0..PARTITIONS).filter_map(lag).collect()
}

#[tokio::test]
async fn lag_tools_see_the_projections_arrive_at_the_end_of_each_partition() {
    let world = World::start().await;
    let group = format!("{}.projector.v1", world.broker.prefix());
    for number in 0..20 {
        let order = json!({"customer": crate::api::world::ACCOUNT, "ordered_on": "1997-01-12", "units": 1,
                           "total": {"amount_minor": 100, "currency": "USD"}});
        _ = world.app.post("/v1/orders/import", &format!("order-{number}"), &order).await.ok();
    }
    let lags_of = |group| lags(world.broker.client_config(), &world.broker.topic(Context::Orders), group);
    until("the group has no lag", ETA_MAX, async || {
        let seen = lags_of(&group);
        seen.len() > 1 && seen.iter().all(|(_, lag)| *lag == Some(0))
    })
    .await;
    let other = lags_of("somebody.else.v1");
    assert!(other.iter().all(|(_, lag)| lag.is_none()), "{other:?}");
    world.app.stop().await;
}
