//! Aggregates that are presumed to be new: they cost no look-up, and a wrong presumption changes no answer.

use event_store::Refused;

use super::jar::{Jar, JarError, drop_coin, seal};
use super::{Fixture, ask, key, verified};

/// More than the store has to see before it presumes anything.
const NEW_JARS: usize = 100;

async fn begin_jars(jars: &event_store::Commands<Jar>, what: &str) {
    for n in 0..NEW_JARS {
        let done = jars.execute(&format!("{what} {n}"), drop_coin(), ask()).await.expect("it is accepted");
        assert!(done.created);
    }
}

#[tokio::test]
async fn what_is_presumed_to_be_new_and_is_not_is_decided_on_what_is_there() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("sealed", drop_coin(), ask()).await.expect("it is accepted");
    jars.execute("sealed", seal(), ask()).await.expect("it is accepted");
    let kept = jars.execute("kept", drop_coin(), ask().with_key(key("k", 1))).await.expect("it is accepted");
    jars.execute("open", drop_coin(), ask()).await.expect("it is accepted");

    let other = fixture.another().await;
    let others = other.commands::<Jar>((), vec![]);
    begin_jars(&others, "sealed before").await;
    let refused = others.execute("sealed", drop_coin(), ask()).await;
    assert!(matches!(refused, Err(Refused::Rule(JarError::Sealed))), "{refused:?}");
    begin_jars(&others, "kept before").await;
    let replayed = others.execute("kept", drop_coin(), ask().with_key(key("k", 1))).await.expect("it is accepted");
    assert!(replayed.replayed && replayed.events == kept.events, "{replayed:?}");
    begin_jars(&others, "open before").await;
    let second = others.execute("open", drop_coin(), ask()).await.expect("it is accepted");
    assert_eq!((second.version, second.created), (2, false));
    assert_eq!(verified(&other).await.events, 5 + 3 * NEW_JARS as u64);
}

#[tokio::test]
async fn many_at_once_of_which_some_are_there_are_all_answered_rightly() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    for n in (0..NEW_JARS).step_by(10) {
        jars.execute(&format!("jar {n}"), drop_coin(), ask()).await.expect("it is accepted");
    }
    let other = fixture.another().await;
    let others = other.commands::<Jar>((), vec![]);
    begin_jars(&others, "before").await;
    let names: Vec<_> = (0..NEW_JARS).map(|n| format!("jar {n}")).collect();
    let dropped = names.iter().map(|name| others.execute(name, drop_coin(), ask()));
    for (n, done) in futures::future::try_join_all(dropped).await.expect("they are accepted").iter().enumerate() {
        assert_eq!(done.version, if n % 10 == 0 { 2 } else { 1 }, "jar {n}");
    }
    verified(&other).await;
}

#[tokio::test]
async fn a_new_aggregate_among_new_ones_is_not_looked_up() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    begin_jars(&jars, "before").await;
    // Whoever looks an aggregate up needs this table; whoever appends does not.
    let away = "alter table snapshots rename to snapshots_away";
    sqlx::raw_sql(away).execute(&fixture.auditor().await).await.expect("nobody uses it");
    begin_jars(&jars, "after").await;
    verified(&fixture.store).await;
}
