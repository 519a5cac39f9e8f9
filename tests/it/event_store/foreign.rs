//! The store beside the published crates: `CqrsFramework` runs on it, `postgres-es` reads it.

use std::collections::HashMap;

use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{AggregateError, CqrsFramework, EventStore as _};
use event_store::CqrsStore;
use postgres_es::PostgresEventRepository;

use super::jar::{Jar, JarCommand, JarError, drop_coin, seal};
use super::{Fixture, ask, verified};

#[tokio::test]
async fn a_cqrs_framework_runs_on_it() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let framework = CqrsFramework::new(CqrsStore::new(jars.clone()), vec![], ());
    let metadata = HashMap::from([("actor".to_owned(), "ana".to_owned())]);
    framework.execute_with_metadata("a", drop_coin(), metadata).await.expect("it is open");
    framework.execute("a", seal()).await.expect("it is open");
    let refused = framework.execute("a", drop_coin()).await.expect_err("it is sealed");
    assert!(matches!(refused, AggregateError::UserError(JarError::Sealed)), "{refused}");
    let events = fixture.store.reader().after(envelope::Position::ZERO, 10).await.expect("it reads");
    assert_eq!(events[0].cause.actor, "ana");
    verified(&fixture.store).await;
}

#[tokio::test]
async fn a_commit_on_an_old_version_is_a_conflict() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let store = CqrsStore::new(jars.clone());
    let stale = store.load_aggregate("a").await.expect("it loads");
    jars.execute("a", drop_coin(), ask()).await.expect("it is open");
    let event = super::jar::JarEvent::JarSealed { by: "late".to_owned() };
    let refused = store.commit(vec![event], stale, HashMap::new()).await.expect_err("it moved on");
    assert!(matches!(refused, AggregateError::AggregateConflict), "{refused}");
}

#[tokio::test]
async fn postgres_es_reads_our_streams() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    for command in [drop_coin(), JarCommand::Drop { coins: 4, note: "more".to_owned() }, seal()] {
        jars.execute("a", command, ask()).await.expect("it is open");
    }
    let pool = fixture.auditor().await;
    let repository = PostgresEventRepository::new(pool).with_tables("postgres_es_events", "none");
    let theirs = PersistedEventStore::<_, Jar>::new_event_store(repository);
    let mut context = theirs.load_aggregate("a").await.expect("it loads");
    let loaded = cqrs_es::AggregateContext::aggregate(&mut context);
    assert_eq!(*loaded, Jar { coins: 5, sealed: true });
}
