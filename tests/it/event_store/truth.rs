//! What is stored is what was decided: chain, snapshots, reading in bulk, refusal of change.

use envelope::Position;
use event_store::{Store, StoreConfig, StoreError};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgPool, Row as _};

use super::jar::{Jar, JarCommand, drop_coin};
use super::{Fixture, ask, config, key, verified};
use tests::{ETA_MAX, until};

async fn with_events(count: i64) -> Fixture {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    for n in 0..count {
        jars.execute(&format!("jar {}", n % 3), drop_coin(), ask()).await.expect("it is accepted");
    }
    fixture
}

#[tokio::test]
async fn an_auditor_computes_the_same_chain_in_sql() {
    let fixture = with_events(12).await;
    let differing: i64 = sqlx::query_scalar(
        "select count(*) from (
             select e, chain, lag(chain, 1, (select sha256(uuid_send(history)) from store))
                       over (order by position) as before
               from events e) as walked
          where chain <> chain_after(before, e)",
    )
    .fetch_one(&fixture.auditor().await)
    .await
    .expect("the functions are there");
    assert_eq!(differing, 0);
    assert_eq!(verified(&fixture.store).await.events, 12);
}

#[tokio::test]
async fn facts_cannot_be_changed() {
    let fixture = with_events(1).await;
    let auditor = fixture.auditor().await;
    for change in ["update events set payload = '{}'", "delete from events", "truncate events"] {
        let refused = sqlx::raw_sql(change).execute(&auditor).await.expect_err("events are facts");
        assert!(refused.to_string().contains("never changed"), "{refused}");
    }
}

#[tokio::test]
async fn every_kind_of_change_is_found_and_located() {
    let changes = [
        ("update events set payload = '{\"coins\":1000000,\"note\":\"mine\"}' where position = 4", 4),
        ("update events set recorded_at = recorded_at + interval '1 us' where position = 5", 5),
        ("delete from events where position = 6", 6),
        ("delete from events where position <= 2", 1),
        ("update events set position = position + 1000 where position = 7", 7),
        ("update events set chain = sha256(chain) where position = 9", 9),
    ];
    for (change, position) in changes {
        let fixture = with_events(12).await;
        let auditor = fixture.auditor().await;
        let tampered = format!("alter table events disable trigger all; {change}");
        sqlx::raw_sql(&tampered).execute(&auditor).await.expect("an intruder can do anything");
        let report = event_store::verify::store(&fixture.store.reader(), |_, _| {}).await.expect("it walks");
        assert_eq!(report.violations.first().map(|found| found.position), Some(Position(position)), "{change}");
    }
}

#[tokio::test]
async fn bulk_and_page_read_the_same() {
    let fixture = with_events(25).await;
    let reader = fixture.store.reader();
    let paged = reader.after(Position(5), 15).await.expect("it reads");
    let mut copied = Vec::new();
    let take = |event| {
        copied.push(event);
        Ok::<_, StoreError>(())
    };
    reader.range_copy(Position(5), Position(20), take).await.expect("it copies");
    assert_eq!(copied, paged);
    assert_eq!(paged.first().map(|event| event.position), Some(Position(6)));
    assert_eq!(paged.len(), 15);
}

#[tokio::test]
async fn snapshots_are_a_cache_and_never_the_truth() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]).with_snapshots(10, "jar 1");
    for _ in 0..35 {
        jars.execute("a", drop_coin(), ask()).await.expect("it is accepted");
    }
    let auditor = fixture.auditor().await;
    let at = || async {
        let row = sqlx::query("select sequence, state::text from snapshots").fetch_optional(&auditor).await;
        row.expect("it answers").map(|row| (row.get::<i64, _>(0), row.get::<String, _>(1)))
    };
    tests::until("the snapshot of 30 is kept", tests::ETA_MAX, || async {
        at().await == Some((30, r#"{"coins":30,"sealed":false}"#.to_owned()))
    })
    .await;
    // A snapshot that is used shows: this one lies about the coins.
    let set = |sql: &'static str| sqlx::raw_sql(sql).execute(&auditor);
    set("update snapshots set state = '{\"coins\":1030,\"sealed\":false}'").await.expect("it is only a cache");
    assert_eq!(jars.load("a").await.expect("it loads").1.coins, 1_035);
    set("update snapshots set state = '{\"torn\":true}'").await.expect("it is only a cache");
    assert_eq!(jars.load("a").await.expect("its events are read instead").1.coins, 35);
    let reshaped = fixture.store.commands::<Jar>((), vec![]).with_snapshots(10, "jar 2");
    assert_eq!(reshaped.load("a").await.expect("it loads").1.coins, 35);
    set("update snapshots set event_id = gen_random_uuid()").await.expect("it is only a cache");
    assert_eq!(jars.load("a").await.expect("it loads").1.coins, 35);
}

#[tokio::test]
async fn an_event_without_fields_has_an_empty_payload() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("a", JarCommand::Shake, ask()).await.expect("it is accepted");
    jars.execute("a", drop_coin(), ask()).await.expect("it is accepted");
    let payload = sqlx::query_scalar("select payload::text from events where position = 1");
    let payload: String = payload.fetch_one(&fixture.auditor().await).await.expect("it answers");
    assert_eq!(payload, "{}");
    let (version, jar) = fixture.another().await.commands::<Jar>((), vec![]).load("a").await.expect("it loads");
    assert_eq!((version, jar.coins), (2, 1));
}

#[tokio::test]
async fn the_role_that_appends_can_change_no_event() {
    let fixture = Fixture::new().await;
    let auditor = fixture.auditor().await;
    let role = fixture.database.name().replace("handsel_test", "service");
    let create = format!("create role \"{role}\" login password 'swordfish'");
    sqlx::raw_sql(&create).execute(&auditor).await.expect("nobody has this name");
    Store::grant_service(&config(&fixture.database), &role).await.expect("the owner may");
    let owner: PgConnectOptions = fixture.database.url().parse().expect("it is a URL");
    let service = owner.username(&role).password("swordfish");
    let store = Store::open(StoreConfig::new("jars", service.to_url_lossy())).await.expect("it may look");
    let jars = store.commands::<Jar>((), vec![]).with_snapshots(2, "jar 1");
    for n in 0..4 {
        jars.execute("a", drop_coin(), ask().with_key(key(&format!("drop {n}"), 1))).await.expect("it may append");
    }
    tests::until("it keeps snapshots", tests::ETA_MAX, || async {
        let kept: i64 =
            sqlx::query_scalar("select max(sequence) from snapshots").fetch_one(&auditor).await.unwrap_or(0);
        kept == 4
    })
    .await;
    assert_eq!(store.reader().after(Position::ZERO, 10).await.expect("it may read").len(), 4);
    let pool = PgPool::connect_with(service.options([("search_path", "es_jars")])).await.expect("it may connect");
    for change in [
        "update events set payload = '{}'",
        "delete from events",
        "truncate events",
        "alter table events disable trigger all",
        "drop table events",
        "create table mine ()",
        "update store set history = gen_random_uuid()",
    ] {
        let refused = sqlx::raw_sql(change).execute(&pool).await.expect_err(change);
        let code = refused.as_database_error().and_then(|refused| refused.code().map(Into::into));
        assert_eq!(code, Some("42501".to_owned()), "{change}: {refused}");
    }
    pool.close().await;
    let drop = format!("drop owned by \"{role}\"; drop role \"{role}\"");
    sqlx::raw_sql(&drop).execute(&auditor).await.expect("it owns nothing");
    verified(&fixture.store).await;
}

/// A known key is a matter of the one round trip; it must not send the batch into the slow path.
#[tokio::test]
async fn the_append_function_itself_gives_the_answers_that_are_sought() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask().with_key(super::key("k", 1))).await.expect("it is accepted");
    let row = sqlx::query(
        "select a.appended, a.stored -> 0 ->> 'key' from newest() n, append(0, n.position, n.chain, '{}', '{}',
             '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
             array['tester'], array['k']) a",
    )
    .fetch_one(&fixture.auditor().await)
    .await
    .expect("the function is there");
    assert_eq!((row.get::<bool, _>(0), row.get::<Option<&str>, _>(1)), (true, Some("k")));
}

/// The planner knows a young table only by what it was when it was last looked at.
#[tokio::test]
async fn looking_up_aggregates_and_answers_never_reads_the_whole_store() {
    const JARS: usize = 3_000;
    const AT_ONCE: usize = 50;
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let auditor = fixture.auditor().await;
    for again in [false, true] {
        for first in (0..JARS).step_by(AT_ONCE) {
            let names: Vec<_> = (first..first + AT_ONCE).map(|n| format!("jar {n}")).collect();
            let dropped = names.iter().map(|name| jars.execute(name, drop_coin(), ask().with_key(key(name, 1))));
            let done = futures::future::try_join_all(dropped).await.expect("they are accepted");
            assert!(done.iter().all(|done| done.replayed == again), "a repeat is answered from the ledger");
            // A young store is analysed: to the planner a walk through the few rows there are is now the cheapest.
            if first == AT_ONCE {
                sqlx::raw_sql("analyze").execute(&auditor).await.expect("it may");
            }
        }
    }
    let Fixture { database, store } = fixture;
    drop((jars, store));
    // What a connection counted is told at its end at the latest.
    let others = "select count(*) from pg_stat_activity where datname = current_database()
                     and application_name like 'jars %'";
    until("the store's connections end", ETA_MAX, || async {
        sqlx::query_scalar::<_, i64>(others).fetch_one(&auditor).await.expect("the server answers") == 0
    })
    .await;
    let counted = "select relname::text, seq_scan, seq_tup_read from pg_stat_user_tables
                    where relname in ('events', 'commands', 'snapshots')";
    for row in sqlx::query(counted).fetch_all(&auditor).await.expect("the server counts") {
        let (table, scans, read): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert!(read < JARS as i64, "{read} rows of {table} were read in {scans} walks through all that there are");
    }
    drop(database);
}
