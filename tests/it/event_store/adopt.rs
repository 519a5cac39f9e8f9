//! Events that were decided elsewhere come in: from a table of `postgres-es`, and from a store of our own.

use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{CqrsFramework, EventStore as _};
use envelope::Position;
use event_store::adopt::{AdoptError, Adopted, Table, postgres_es};
use event_store::copy_in::{CopyIn, CopyInError, StoredEvent};
use event_store::{Store, StoreError, recover};
use postgres_es::PostgresEventRepository;
use sqlx::PgPool;

use super::jar::{Jar, JarCommand, JarError, drop_coin, seal};
use super::{Fixture, ask, config, verified};

/// As `postgres-es` 0.5 asks its users to make it.
const THEIR_TABLE: &str = "create table events (
    aggregate_type text not null, aggregate_id text not null, sequence bigint check (sequence >= 0) not null,
    event_type text not null, event_version text not null, payload json not null, metadata json not null,
    primary key (aggregate_type, aggregate_id, sequence))";

/// A database in which the published crate ran.
async fn theirs() -> (tests::TestDatabase, PgPool) {
    let database = tests::empty_database().await;
    let pool = PgPool::connect(database.url()).await.expect("the server answers");
    sqlx::raw_sql(THEIR_TABLE).execute(&pool).await.expect("an empty database takes it");
    let repository = PostgresEventRepository::new(pool.clone());
    let framework = CqrsFramework::new(PersistedEventStore::<_, Jar>::new_event_store(repository), vec![], ());
    for n in 0..40 {
        let metadata = [("actor".to_owned(), format!("person {n}"))].into();
        let id = format!("jar {}", n % 7);
        framework
            .execute_with_metadata(&id, JarCommand::Drop { coins: n, note: format!("n\u{b0} {n}") }, metadata)
            .await
            .expect("it is open");
    }
    framework.execute("jar 3", seal()).await.expect("it is open");
    (database, pool)
}

#[tokio::test]
async fn a_table_of_postgres_es_is_adopted_and_goes_on() {
    let (database, pool) = theirs().await;
    let fixture = Fixture::new().await;
    let mut heard = Vec::new();
    let table = Table::new(database.url());
    let adopted = postgres_es(&fixture.store, &table, |done, total| heard.push((done, total))).await;
    assert_eq!(adopted.expect("it is whole"), Adopted { events: 41, present: 0, head: Position(41) });
    assert_eq!(heard.last(), Some(&(41, 41)));
    let report = verified(&fixture.store).await;
    assert_eq!((report.events, report.aggregates), (41, 7));
    let events = fixture.store.reader().after(Position::ZERO, 100).await.expect("it reads");
    // Their bytes stay as they were, also the blanks that are not ours.
    let (actor, fields) = (events[4].cause.actor.as_str(), events[4].data.get());
    assert_eq!((actor, fields), ("person 4", "{\"note\": \"n\u{b0} 4\", \"coins\": 4}"));

    let jars = fixture.store.commands::<Jar>((), vec![]);
    let repository = PostgresEventRepository::new(pool);
    let published = PersistedEventStore::<_, Jar>::new_event_store(repository);
    for n in 0..7 {
        let mut context = published.load_aggregate(&format!("jar {n}")).await.expect("it loads");
        let expected = cqrs_es::AggregateContext::aggregate(&mut context).clone();
        assert_eq!(jars.load(&format!("jar {n}")).await.expect("it loads").1, expected);
    }
    let refused = jars.execute("jar 3", drop_coin(), ask()).await.expect_err("it is sealed");
    assert!(matches!(refused, event_store::Refused::Rule(JarError::Sealed)), "{refused}");
    jars.execute("jar 0", drop_coin(), ask()).await.expect("it goes on");
    assert_eq!(verified(&fixture.store).await.head, Position(42));
}

#[tokio::test]
async fn adopting_goes_on_where_it_stopped_and_adds_nothing_twice() {
    let (database, pool) = theirs().await;
    let fixture = Fixture::new().await;
    let table = Table::new(database.url());
    postgres_es(&fixture.store, &table, |_, _| {}).await.expect("it is whole");
    let add = "insert into events select 'jar', 'late', n, 'CoinDropped', '1',
                      '{\"CoinDropped\":{\"coins\":1,\"note\":\"\"}}', '{}' from generate_series(1, 2500) n";
    sqlx::raw_sql(add).execute(&pool).await.expect("it answers");
    let more = postgres_es(&fixture.store, &table, |_, _| {}).await.expect("it goes on");
    assert_eq!(more, Adopted { events: 2_541, present: 41, head: Position(2_541) });
    let again = postgres_es(&fixture.store, &table, |_, _| {}).await.expect("there is nothing to do");
    assert_eq!(again, Adopted { events: 2_541, present: 2_541, head: Position(2_541) });
    verified(&fixture.store).await;
}

#[tokio::test]
async fn an_event_that_lies_before_its_predecessor_waits_for_it() {
    let (database, pool) = theirs().await;
    let backwards = "insert into events select 'jar', 'b' || (n % 2), 1 + n / 2, 'CoinDropped', '1',
                      '{\"CoinDropped\":{\"coins\":1,\"note\":\"\"}}', '{}' from generate_series(99, 0, -1) n";
    sqlx::raw_sql(backwards).execute(&pool).await.expect("it answers");
    let fixture = Fixture::new().await;
    postgres_es(&fixture.store, &Table::new(database.url()), |_, _| {}).await.expect("it is whole");
    assert_eq!(verified(&fixture.store).await.events, 141);
}

#[tokio::test]
async fn what_cannot_be_adopted_is_refused_before_anything_is_written() {
    let (database, pool) = theirs().await;
    let fixture = Fixture::new().await;
    let table = Table::new(database.url());
    let none = Table { name: "no such table".to_owned(), ..table.clone() };
    let refused = postgres_es(&fixture.store, &none, |_, _| {}).await.expect_err("there is none");
    assert!(matches!(refused, AdoptError::NotATable(_)), "{refused}");
    sqlx::raw_sql("delete from events where aggregate_id = 'jar 5' and sequence = 2")
        .execute(&pool)
        .await
        .expect("it answers");
    let refused = postgres_es(&fixture.store, &table, |_, _| {}).await.expect_err("there is a hole");
    assert!(
        refused.to_string().contains("jar `jar 5` should be numbered 1 to 4 but are numbered 1, 3, 4, 5"),
        "{refused}"
    );
    sqlx::raw_sql(
        "delete from events where aggregate_id = 'jar 5'; alter table events drop constraint events_pkey;
                   insert into events select * from events where aggregate_id = 'jar 2' and sequence = 3",
    )
    .execute(&pool)
    .await
    .expect("it answers");
    let refused = postgres_es(&fixture.store, &table, |_, _| {}).await.expect_err("one is there twice");
    assert!(matches!(refused, AdoptError::Numbers { .. }), "{refused}");
    assert_eq!(fixture.store.reader().head().await.expect("it answers").position, Position::ZERO);
}

#[tokio::test]
async fn a_store_with_other_events_adopts_nothing() {
    let (database, _) = theirs().await;
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("jar 0", drop_coin(), ask()).await.expect("it is accepted");
    let refused = postgres_es(&fixture.store, &Table::new(database.url()), |_, _| {}).await;
    assert!(matches!(refused, Err(AdoptError::OtherEvents(Position(1)))), "{refused:?}");
    assert_eq!(verified(&fixture.store).await.events, 1);
}

async fn everything(store: &Store) -> Vec<StoredEvent> {
    let head = store.reader().head().await.expect("it answers").position;
    store.reader().stored_range(Position::ZERO, head).await.expect("it reads")
}

/// A store with some events, in its second history.
async fn recovered() -> Fixture {
    let mut fixture = Fixture::new().await;
    recover::store(&config(&fixture.database)).await.expect("nobody is connected");
    fixture.store = fixture.another().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    for n in 0..30 {
        jars.execute(&format!("jar {}", n % 4), drop_coin(), ask()).await.expect("it is accepted");
    }
    fixture
}

#[tokio::test]
async fn a_copy_has_the_same_events_chain_and_history_and_can_be_broken_off() {
    let fixture = recovered().await;
    let source = &fixture.store;
    let origin = source.reader().origin().await.expect("it answers");
    let events = everything(source).await;
    let target = Fixture::new().await;
    for whole in [false, true, true] {
        let mut copy = CopyIn::begin(&config(&target.database), origin).await.expect("it is empty or the same");
        for event in events.iter().take(if whole { usize::MAX } else { 12 }) {
            copy.push(event.clone()).await.expect("it is the next one");
        }
        let (position, chain) = copy.finish().await.expect("it is written");
        if whole {
            assert_eq!((position, &chain), (Position(30), &verified(source).await.chain));
        }
    }
    let copied = target.another().await;
    assert_eq!(copied.history(), source.history());
    assert_eq!(everything(&copied).await, events);
    assert_eq!(verified(&copied).await.chain, verified(source).await.chain);
    let relay = copied.reader().relay_row().await.expect("it answers").expect("there is a row");
    assert_eq!(relay.history, source.history());
    copied.commands::<Jar>((), vec![]).execute("jar 0", drop_coin(), ask()).await.expect("it goes on");
    verified(&copied).await;
}

#[tokio::test]
async fn a_copy_that_is_not_whole_or_not_alone_is_refused() {
    let fixture = recovered().await;
    let source = &fixture.store;
    let origin = source.reader().origin().await.expect("it answers");
    let events = everything(source).await;
    let target = Fixture::new().await;
    let mut copy = CopyIn::begin(&config(&target.database), origin).await.expect("it is empty");
    let refused = copy.push(events[4].clone()).await.expect_err("the first four are missing");
    assert!(matches!(refused, CopyInError::Gap { expected: Position(1), found: Position(5) }), "{refused}");
    copy.push(events[0].clone()).await.expect("it is the first");
    let hole = StoredEvent { sequence: 7, ..events[1].clone() };
    copy.push(hole).await.expect_err("an aggregate begins with sequence 1");

    let occupied = Fixture::new().await;
    let jars = occupied.store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask()).await.expect("it is accepted");
    let in_use = CopyIn::begin(&config(&occupied.database), origin).await.err().expect("an appender is connected");
    assert!(matches!(in_use, CopyInError::Store(StoreError::InUse { .. })), "{in_use}");
    drop((jars, occupied.store));
    let refused = || async {
        match CopyIn::begin(&config(&occupied.database), origin).await {
            Err(CopyInError::NotEmpty { position: Position(1), .. }) => true,
            Err(CopyInError::Store(StoreError::InUse { .. })) => false,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it holds something else"),
        }
    };
    tests::until("the appender lets go", tests::ETA_MAX, refused).await;
}
