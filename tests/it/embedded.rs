//! The servers that the program brings along, for real: started, stopped, killed and started again.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use platform::data_dir::DataDir;
use platform::embedded::broker::{BrokerError, EmbeddedBroker};
use platform::embedded::postgres::{EmbeddedError, EmbeddedPostgres, PostgresOptions};
use platform::settings::Secret;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::{Connection, PgConnection};

const ETA_MAX: Duration = Duration::from_secs(30);

/// A data folder that goes with the test; other users may pass through, because as root Postgres is one of them.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = PathBuf::from(format!("/var/tmp/handsel-test-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options(data: &DataDir) -> PostgresOptions {
    rustls::crypto::ring::default_provider().install_default().ok();
    PostgresOptions::new(data.path())
}

async fn ask(url: &Secret, sql: &str) -> String {
    let mut connection = PgConnection::connect(url.expose()).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn postgres_keeps_data_and_port_over_a_stop_and_over_a_kill() {
    let scratch = Scratch::new();
    let data = DataDir::open(&scratch.0).unwrap();
    let first = EmbeddedPostgres::start(&options(&data)).await.unwrap();
    let url = first.url().clone();
    assert!(ask(&url, "show server_version").await.starts_with("18."));
    assert_eq!(ask(&url, "show fsync").await, "on");
    let mut connection = PgConnection::connect(url.expose()).await.unwrap();
    sqlx::query("create table kept as select 'still here' as what").execute(&mut connection).await.unwrap();
    first.stop().await.unwrap();

    let second = EmbeddedPostgres::start(&options(&data)).await.unwrap();
    assert_eq!(second.url(), &url);
    assert_eq!(ask(&url, "select what from kept").await, "still here");
    // What `kill -9` of our process leaves behind: a server that nobody holds.
    std::mem::forget(second);

    let third = EmbeddedPostgres::start(&options(&data)).await.unwrap();
    assert_eq!(ask(third.url(), "select what from kept").await, "still here");
    let taken = third.url().clone();
    third.stop().await.unwrap();

    let port = url::port(&taken);
    let _occupied = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let fourth = EmbeddedPostgres::start(&options(&data)).await.unwrap();
    assert_ne!(url::port(fourth.url()), port, "a port taken by another program is chosen again");
    fourth.stop().await.unwrap();

    let fixed = PostgresOptions { port: Some(port), ..options(&data) };
    let refused = EmbeddedPostgres::start(&fixed).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("port {port} for the embedded Postgres is in use")), "{refused}");
}

#[tokio::test]
async fn postgres_says_in_one_line_why_it_does_not_start() {
    let scratch = Scratch::new();
    let data = DataDir::open(&scratch.0).unwrap();
    let missing = PostgresOptions { bin_dir: Some("/nowhere".into()), ..options(&data) };
    let refused = EmbeddedPostgres::start(&missing).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::NoBinaries { program: "postgres", .. }), "{refused}");

    fs::create_dir(data.path().join("old")).unwrap();
    let old = data.path().join("old");
    for (program, says) in [("postgres", "echo 'postgres (PostgreSQL) 16.4'"), ("initdb", "true"), ("pg_ctl", "true")] {
        let file = old.join(program);
        fs::write(&file, format!("#!/bin/sh\n{says}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = EmbeddedPostgres::start(&PostgresOptions { bin_dir: Some(old), ..options(&data) }).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::TooOld { ref found, .. } if found == "16.4"), "{refused}");
    assert!(!refused.to_string().contains('\n'));
}

#[tokio::test]
async fn root_is_told_which_folder_the_database_user_cannot_enter() {
    let scratch = Scratch::new();
    let closed = scratch.0.join("closed");
    let data = DataDir::open(&closed.join("data")).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    if !running_as_root() {
        return;
    }
    let refused = EmbeddedPostgres::start(&options(&data)).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::NotEnterable { ref folder, .. } if folder == &closed), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_carries_a_record_and_gives_its_port_back() {
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let broker = EmbeddedBroker::start(any).await.unwrap();
    let address = broker.address();
    let refused = EmbeddedBroker::start(address).await.unwrap_err();
    assert!(matches!(refused, BrokerError::Address { .. }), "{refused}");

    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address.to_string()).set("group.id", "test").set("fetch.wait.max.ms", "5");
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let topic = NewTopic::new("carried", 2, TopicReplication::Fixed(1));
    admin.create_topics([&topic], &AdminOptions::new()).await.unwrap()[0].clone().unwrap();
    let producer: FutureProducer = config.create().unwrap();
    let record = FutureRecord::to("carried").partition(1).key("k").payload("said");
    producer.send(record, ETA_MAX).await.map_err(|(error, _)| error).unwrap();
    assert_eq!(tokio::task::spawn_blocking(move || first_payload(&config)).await.unwrap(), b"said");

    broker.stop().await;
    EmbeddedBroker::start(address).await.unwrap().stop().await;
}

fn first_payload(config: &ClientConfig) -> Vec<u8> {
    let consumer: BaseConsumer = config.create().unwrap();
    let mut partitions = rdkafka::TopicPartitionList::new();
    partitions.add_partition_offset("carried", 1, rdkafka::Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let message = consumer.poll(ETA_MAX).expect("a record within the deadline").unwrap();
    message.payload().unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_tells_the_end_of_a_log_and_serves_who_begins_inside_a_batch() {
    let broker = EmbeddedBroker::start((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address().to_string()).set("group.id", "test").set("linger.ms", "200");
    config.set("fetch.wait.max.ms", "5").set("enable.idempotence", "true").set("compression.type", "lz4");
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let topic = NewTopic::new("batches", 1, TopicReplication::Fixed(1));
    admin.create_topics([&topic], &AdminOptions::new()).await.unwrap()[0].clone().unwrap();
    let producer: FutureProducer = config.create().unwrap();
    for batch in ["a", "b"] {
        let payloads: Vec<String> = (0..10).map(|number| format!("{batch}{number}")).collect();
        let send = |payload| producer.send(FutureRecord::<(), _>::to("batches").payload(payload), ETA_MAX);
        for sent in futures::future::join_all(payloads.iter().map(send)).await {
            sent.map_err(|(error, _)| error).unwrap();
        }
    }
    let read = |from: i64| {
        let consumer: BaseConsumer = config.create().unwrap();
        let mut partitions = rdkafka::TopicPartitionList::new();
        partitions.add_partition_offset("batches", 0, rdkafka::Offset::Offset(from)).unwrap();
        consumer.assign(&partitions).unwrap();
        let watermarks = consumer.fetch_watermarks("batches", 0, ETA_MAX).unwrap();
        let next = || consumer.poll(ETA_MAX).expect("a record within the deadline").unwrap();
        let records: Vec<_> = (from.max(watermarks.0)..20).map(|_| next().offset()).collect();
        (watermarks, records)
    };
    for from in [0, 7, 10, 19] {
        let (watermarks, records) = tokio::task::block_in_place(|| read(from));
        assert_eq!((watermarks, records), ((0, 20), (from..20).collect::<Vec<i64>>()));
    }
    let mut cut = rdkafka::TopicPartitionList::new();
    cut.add_partition_offset("batches", 0, rdkafka::Offset::Offset(15)).unwrap();
    admin.delete_records(&cut, &AdminOptions::new()).await.unwrap();
    assert_eq!(tokio::task::block_in_place(|| read(15)), ((15, 20), (15..20).collect::<Vec<i64>>()));
    broker.stop().await;
}

fn running_as_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(Path::new("/proc/self")).unwrap().uid() == 0
}

/// What a test needs to know of a database URL.
mod url {
    use super::Secret;

    pub(super) fn port(url: &Secret) -> u16 {
        let rest = url.expose().rsplit(':').next().unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }
}
