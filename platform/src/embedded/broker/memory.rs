//! The storage of the embedded broker, made to answer as Apache Kafka does where it would not.
//!
//! On its own it tells the first offset of the newest batch as the end of a log, gives nothing of a batch to who begins
//! inside it, takes records for topics that are gone, and breaks off the connection of who deletes records. The relay's
//! look at its log rests on all four.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tansu_sans_io::create_topics_request::CreatableTopic;
use tansu_sans_io::delete_groups_response::DeletableGroupResult;
use tansu_sans_io::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use tansu_sans_io::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use tansu_sans_io::describe_cluster_response::DescribeClusterBroker;
use tansu_sans_io::describe_configs_response::DescribeConfigsResult;
use tansu_sans_io::describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic;
use tansu_sans_io::incremental_alter_configs_request::AlterConfigsResource;
use tansu_sans_io::incremental_alter_configs_response::AlterConfigsResourceResponse;
use tansu_sans_io::list_groups_response::ListedGroup;
use tansu_sans_io::record::deflated;
use tansu_sans_io::txn_offset_commit_response::TxnOffsetCommitResponseTopic;
use tansu_sans_io::{ConfigResource, ErrorCode, IsolationLevel, ListOffset, ScramMechanism};
use tansu_storage::{
    BrokerRegistrationRequest, Error, GroupDetail, ListOffsetResponse, MetadataResponse, NamedGroupDetail,
    OffsetCommitRequest, OffsetStage, ProducerIdResponse, Result, ScramCredential, Storage, StorageContainer, TopicId,
    Topition, TxnAddPartitionsRequest, TxnAddPartitionsResponse, TxnOffsetCommitRequest, UpdateError, Version,
};
use tokio::sync::{Mutex, RwLock, watch};
use url::Url;
use uuid::Uuid;

use super::logs::{Logs, Start, rest};
use super::quiet::Quiet;

/// One storage for all connections.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    inner: StorageContainer,
    /// Held for reading while records are written, so that a topic is not deleted under them.
    logs: Arc<RwLock<Logs>>,
    /// Told of every write.
    written: watch::Sender<()>,
    /// Of this connection.
    reading: Arc<Mutex<Reading>>,
}

/// How one connection reads.
#[derive(Debug)]
struct Reading {
    quiet: Quiet,
    written: watch::Receiver<()>,
    wait_max: Duration,
}

/// The offset that stands for "everything" in a request to delete records.
const TO_THE_END: i64 = -1;
/// How long a consumer waits that has asked everywhere and found nothing, unless something is written.
const QUIET_WAIT_MAX: Duration = Duration::from_millis(20);

impl Memory {
    pub(super) fn new(inner: StorageContainer) -> Self {
        let (written, of_nobody) = watch::channel(());
        let reading = Arc::new(Mutex::new(Reading::of(of_nobody)));
        Self { inner, logs: Arc::default(), written, reading }
    }

    /// The same storage for one more connection.
    pub(super) fn connected(&self) -> Self {
        Self { reading: Arc::new(Mutex::new(Reading::of(self.written.subscribe()))), ..self.clone() }
    }

    /// Nothing was there. The broker around this would sleep for the whole of `fetch.wait.max.ms` whatever comes; a
    /// consumer that asks with a short one waits here instead, and is answered when something is written.
    async fn rest(&self, partition: &Topition, reading: &mut Reading) {
        let partitions = self.logs.read().await.partitions();
        if reading.quiet.found_nothing(partition, partitions) {
            // Whether it was written or the time is over: the consumer asks again.
            let _either = tokio::time::timeout(reading.wait_max, reading.written.changed()).await;
        }
    }

    async fn name_of(&self, topic: &TopicId) -> Result<Option<String>> {
        if let TopicId::Name(name) = topic {
            return Ok(Some(name.clone()));
        }
        let metadata = self.inner.metadata(Some(std::slice::from_ref(topic))).await?;
        Ok(metadata.topics().first().and_then(|topic| topic.name.clone()))
    }

    async fn list_offset(
        &self,
        isolation: IsolationLevel,
        partition: &Topition,
        wanted: ListOffset,
    ) -> Result<ListOffsetResponse> {
        let Some(begins) = self.logs.read().await.of(partition).map(|log| log.begins()) else {
            let error_code = ErrorCode::UnknownTopicOrPartition;
            return Ok(ListOffsetResponse { error_code, ..ListOffsetResponse::default() });
        };
        let offset = match wanted {
            ListOffset::Earliest => begins,
            ListOffset::Latest => self.inner.offset_stage(partition).await?.high_watermark(),
            ListOffset::Timestamp(_) => {
                let mut answers = self.inner.list_offsets(isolation, &[(partition.clone(), wanted)]).await?;
                return Ok(answers.pop().map(|(_, answer)| answer).unwrap_or_default());
            }
        };
        Ok(ListOffsetResponse { offset: Some(offset), ..ListOffsetResponse::default() })
    }

    async fn start(&self, partition: &Topition, offset: i64, max_bytes: u32) -> Start {
        let bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        self.logs.read().await.of(partition).map_or(Start::At(offset), |log| log.start(offset, bytes))
    }

    async fn cut(&self, topic: &str, partition: &DeleteRecordsPartition) -> Result<DeleteRecordsPartitionResult> {
        let cut = Topition::new(topic, partition.partition_index);
        let answer = DeleteRecordsPartitionResult::default().partition_index(partition.partition_index);
        let end = self.inner.offset_stage(&cut).await?.high_watermark();
        let before = if partition.offset == TO_THE_END { end } else { partition.offset };
        if before > end {
            return Ok(answer.error_code(ErrorCode::OffsetOutOfRange.into()));
        }
        Ok(match self.logs.read().await.of(&cut).map(|mut log| log.cut(before)) {
            Some(begins) => answer.low_watermark(begins),
            None => answer.error_code(ErrorCode::UnknownTopicOrPartition.into()),
        })
    }
}

impl Reading {
    fn of(written: watch::Receiver<()>) -> Self {
        Self { quiet: Quiet::default(), written, wait_max: QUIET_WAIT_MAX }
    }
}

#[async_trait]
impl Storage for Memory {
    async fn create_topic(&self, topic: CreatableTopic, validate_only: bool) -> Result<Uuid> {
        let mut logs = self.logs.write().await;
        let (name, partitions) = (topic.name.clone(), topic.num_partitions);
        let id = self.inner.create_topic(topic, validate_only).await?;
        logs.create(&name, partitions);
        Ok(id)
    }

    async fn delete_topic(&self, topic: &TopicId) -> Result<ErrorCode> {
        let mut logs = self.logs.write().await;
        let name = self.name_of(topic).await?;
        let answer = self.inner.delete_topic(topic).await?;
        if let Some(name) = name {
            logs.delete(&name);
        }
        Ok(answer)
    }

    async fn delete_records(&self, topics: &[DeleteRecordsTopic]) -> Result<Vec<DeleteRecordsTopicResult>> {
        let mut answers = Vec::with_capacity(topics.len());
        for topic in topics {
            let mut partitions = Vec::new();
            for partition in topic.partitions.as_deref().unwrap_or_default() {
                partitions.push(self.cut(&topic.name, partition).await?);
            }
            answers.push(DeleteRecordsTopicResult::default().name(topic.name.clone()).partitions(Some(partitions)));
        }
        Ok(answers)
    }

    async fn produce(&self, transaction: Option<&str>, partition: &Topition, batch: deflated::Batch) -> Result<i64> {
        let logs = self.logs.read().await;
        if logs.of(partition).is_none() {
            return Err(Error::Api(ErrorCode::UnknownTopicOrPartition));
        }
        let first = self.inner.produce(transaction, partition, batch.clone()).await?;
        if let Some(mut log) = logs.of(partition) {
            log.take(first, batch);
        }
        self.written.send_replace(());
        Ok(first)
    }

    async fn fetch(
        &self,
        partition: &Topition,
        offset: i64,
        min_bytes: u32,
        max_bytes: u32,
        isolation: IsolationLevel,
    ) -> Result<Vec<deflated::Batch>> {
        let mut reading = self.reading.lock().await;
        if reading.quiet.begins() {
            // Before the log is looked at, so that no write is missed between the look and the wait.
            reading.written.mark_unchanged();
        }
        let mut start = self.start(partition, offset, max_bytes).await;
        if start.is_at_the_end() {
            self.rest(partition, &mut reading).await;
            start = self.start(partition, offset, max_bytes).await;
        }
        if !start.is_at_the_end() {
            reading.quiet.found();
        }
        match start {
            Start::Ready(batches) => Ok(batches),
            Start::At(offset) => self.inner.fetch(partition, offset, min_bytes, max_bytes, isolation).await,
            Start::Inside(first) => {
                // The one batch alone: whoever asks counts records to find where to go on.
                let batches = self.inner.fetch(partition, first, 1, 1, isolation).await?;
                batches.first().into_iter().map(|batch| rest(batch, offset)).collect()
            }
        }
    }

    async fn list_offsets(
        &self,
        isolation: IsolationLevel,
        offsets: &[(Topition, ListOffset)],
    ) -> Result<Vec<(Topition, ListOffsetResponse)>> {
        let mut answers = Vec::with_capacity(offsets.len());
        for (partition, wanted) in offsets {
            answers.push((partition.clone(), self.list_offset(isolation, partition, *wanted).await?));
        }
        Ok(answers)
    }

    /// The storage reads it out of JSON each time, and every fetch asks for it.
    async fn offset_stage(&self, partition: &Topition) -> Result<OffsetStage> {
        let known = self.logs.read().await.of(partition).map(|log| (log.stage(), log.writes()));
        if let Some((Some(stage), _)) = known {
            return Ok(stage);
        }
        let stage = self.inner.offset_stage(partition).await?;
        if let (Some((_, writes)), Some(mut log)) = (known, self.logs.read().await.of(partition)) {
            log.keep_stage(stage, writes);
        }
        Ok(stage)
    }

    async fn txn_add_partitions(&self, partitions: TxnAddPartitionsRequest) -> Result<TxnAddPartitionsResponse> {
        let answer = self.inner.txn_add_partitions(partitions).await;
        self.logs.read().await.forget_stages();
        answer
    }

    async fn txn_end(&self, transaction: &str, producer: i64, epoch: i16, committed: bool) -> Result<ErrorCode> {
        let answer = self.inner.txn_end(transaction, producer, epoch, committed).await;
        self.logs.read().await.forget_stages();
        answer
    }

    /// A fetch asks for one topic by its id. One that is not there, as after a restart, the broker around this answers
    /// with a leader of no topic, over which librdkafka 2.12 falls. The end of the connection makes a client look which
    /// topics there are.
    async fn metadata(&self, topics: Option<&[TopicId]>) -> Result<MetadataResponse> {
        let found = self.inner.metadata(topics).await?;
        let nameless = found.topics().first().is_none_or(|topic| topic.name.is_none());
        if matches!(topics, Some([TopicId::Id(_)])) && nameless {
            return Err(Error::Api(ErrorCode::UnknownTopicId));
        }
        Ok(found)
    }

    // From here on the storage is right as it is.

    async fn register_broker(&self, registration: BrokerRegistrationRequest) -> Result<()> {
        self.inner.register_broker(registration).await
    }

    async fn incremental_alter_resource(&self, resource: AlterConfigsResource) -> Result<AlterConfigsResourceResponse> {
        self.inner.incremental_alter_resource(resource).await
    }

    async fn brokers(&self) -> Result<Vec<DescribeClusterBroker>> {
        self.inner.brokers().await
    }

    async fn offset_commit(
        &self,
        group: &str,
        retention: Option<Duration>,
        offsets: &[(Topition, OffsetCommitRequest)],
    ) -> Result<Vec<(Topition, ErrorCode)>> {
        self.inner.offset_commit(group, retention, offsets).await
    }

    async fn offset_fetch(
        &self,
        group: Option<&str>,
        partitions: &[Topition],
        require_stable: Option<bool>,
    ) -> Result<BTreeMap<Topition, i64>> {
        self.inner.offset_fetch(group, partitions, require_stable).await
    }

    async fn committed_offset_topitions(&self, group: &str) -> Result<BTreeMap<Topition, i64>> {
        self.inner.committed_offset_topitions(group).await
    }

    async fn upsert_user_scram_credential(
        &self,
        user: &str,
        mechanism: ScramMechanism,
        credential: ScramCredential,
    ) -> Result<()> {
        self.inner.upsert_user_scram_credential(user, mechanism, credential).await
    }

    async fn delete_user_scram_credential(&self, user: &str, mechanism: ScramMechanism) -> Result<()> {
        self.inner.delete_user_scram_credential(user, mechanism).await
    }

    async fn user_scram_credential(&self, user: &str, mechanism: ScramMechanism) -> Result<Option<ScramCredential>> {
        self.inner.user_scram_credential(user, mechanism).await
    }

    async fn describe_config(
        &self,
        name: &str,
        resource: ConfigResource,
        keys: Option<&[String]>,
    ) -> Result<DescribeConfigsResult> {
        self.inner.describe_config(name, resource, keys).await
    }

    async fn list_groups(&self, states: Option<&[String]>) -> Result<Vec<ListedGroup>> {
        self.inner.list_groups(states).await
    }

    async fn delete_groups(&self, groups: Option<&[String]>) -> Result<Vec<DeletableGroupResult>> {
        self.inner.delete_groups(groups).await
    }

    async fn describe_groups(&self, groups: Option<&[String]>, operations: bool) -> Result<Vec<NamedGroupDetail>> {
        self.inner.describe_groups(groups, operations).await
    }

    async fn describe_topic_partitions(
        &self,
        topics: Option<&[TopicId]>,
        partitions_max: i32,
        cursor: Option<Topition>,
    ) -> Result<Vec<DescribeTopicPartitionsResponseTopic>> {
        self.inner.describe_topic_partitions(topics, partitions_max, cursor).await
    }

    async fn update_group(
        &self,
        group: &str,
        detail: GroupDetail,
        version: Option<Version>,
    ) -> Result<Version, UpdateError<GroupDetail>> {
        self.inner.update_group(group, detail, version).await
    }

    async fn init_producer(
        &self,
        transaction: Option<&str>,
        timeout_ms: i32,
        producer: Option<i64>,
        epoch: Option<i16>,
    ) -> Result<ProducerIdResponse> {
        self.inner.init_producer(transaction, timeout_ms, producer, epoch).await
    }

    async fn txn_add_offsets(&self, transaction: &str, producer: i64, epoch: i16, group: &str) -> Result<ErrorCode> {
        self.inner.txn_add_offsets(transaction, producer, epoch, group).await
    }

    async fn txn_offset_commit(&self, offsets: TxnOffsetCommitRequest) -> Result<Vec<TxnOffsetCommitResponseTopic>> {
        self.inner.txn_offset_commit(offsets).await
    }

    async fn maintain(&self, now: SystemTime) -> Result<()> {
        self.inner.maintain(now).await
    }

    async fn cluster_id(&self) -> Result<String> {
        self.inner.cluster_id().await
    }

    async fn node(&self) -> Result<i32> {
        self.inner.node().await
    }

    async fn advertised_listener(&self) -> Result<Url> {
        self.inner.advertised_listener().await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[cfg(test)]
mod tests;
