//! Whatever somebody with all rights in the database changes about stored events is found, and where it began is said.
//!
//! Each tamper is drawn from a seed, done in a transaction with the triggers off, proven to have changed something,
//! walked in the same transaction and rolled back. Plain ones break the chain, and the walk names the first position
//! that was touched. Perfect ones number and chain everything anew, so that the walk finds nothing: only signed heads
//! tell, and say between which two of them it began.

mod drawing;

use std::time::Instant;

use envelope::{Position, Timestamp};
use event_store::heads::{Collected, Finding, Now, PublicKey, SigningKey, compare_on};
use event_store::verify;
use sqlx::{Acquire as _, PgConnection};

use self::drawing::{Kind, Tamper, draw};
use super::jar::{Jar, JarCommand};
use super::{Fixture, ask};

/// So many events, a head signed after each ten.
const EVENTS: i64 = 60;
const HEADS_EVERY: i64 = 10;
/// How many tampers are tried unless `HANDSEL_TAMPERS` says otherwise: 10,000 take some minutes.
const TAMPERS: u64 = 1_000;
/// What a tamper leaves behind is cleared away after so many, or the walks would read it.
const VACUUM_EVERY: u64 = 200;

const DIGEST: &str = "select md5(string_agg(e::text, chr(10) order by position)) || (select genesis from store) \
                        from events e";

#[tokio::test]
async fn every_tamper_is_found_and_located() {
    let fixture = Fixture::new().await;
    let key = SigningKey::parse("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
    let heads = fill(&fixture, &key).await;
    let auditor = fixture.auditor().await;
    let mut connection = auditor.acquire().await.unwrap();
    let untouched: String = sqlx::query_scalar(DIGEST).fetch_one(&mut *connection).await.unwrap();
    let seen = look(&mut connection, &heads, &[key.public()]).await;
    assert_eq!(seen, Seen::default(), "nothing was touched");

    let count = std::env::var("HANDSEL_TAMPERS").map_or(TAMPERS, |count| count.parse().unwrap());
    let (begun, mut perfect, mut by_kind) = (Instant::now(), 0, std::collections::BTreeMap::new());
    for number in 0..count {
        if number % VACUUM_EVERY == 0 {
            sqlx::query("vacuum events").execute(&mut *connection).await.unwrap();
        }
        let tamper = draw(number, EVENTS);
        let mut transaction = connection.begin().await.unwrap();
        for statement in tamper.statements() {
            let done = sqlx::raw_sql(&statement).execute(&mut *transaction).await;
            done.unwrap_or_else(|error| panic!("tamper {number}, {tamper:?}: {error}: {statement}"));
        }
        let touched: Option<String> = sqlx::query_scalar(DIGEST).fetch_one(&mut *transaction).await.unwrap();
        assert_ne!(touched.as_ref(), Some(&untouched), "tamper {number} changed nothing: {tamper:?}");
        let seen = look(&mut transaction, &heads, &[key.public()]).await;
        transaction.rollback().await.unwrap();
        assert_located(number, &tamper, &seen);
        perfect += u64::from(tamper.perfect);
        *by_kind.entry(tamper.kind.name()).or_insert(0_u64) += 1;
    }
    let left: String = sqlx::query_scalar(DIGEST).fetch_one(&mut *connection).await.unwrap();
    assert_eq!(left, untouched, "all was rolled back");
    eprintln!(
        "{count} tampers found and located, {perfect} of them by signed heads alone, in {:?}: {by_kind:?}",
        begun.elapsed()
    );
}

/// A walk that breaks off at such a row would say neither where it stands nor what follows.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_the_walk_goes_on() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    for number in 1..=9 {
        let drop = JarCommand::Drop { coins: 1, note: "a coin".to_owned() };
        jars.execute(&format!("jar {number}"), drop, ask()).await.unwrap();
    }
    let auditor = fixture.auditor().await;
    let spoil = "set session_replication_role = replica;
                 update events set chain = '' where position = 2;
                 update events set recorded_at = 'infinity' where position = 5;
                 update events set recorded_at = '-infinity' where position = 6;
                 delete from events where position in (7, 8)";
    sqlx::raw_sql(spoil).execute(&auditor).await.unwrap();
    let report = verify::store(&fixture.store.reader(), |_, _| {}).await.unwrap();
    let found: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    let expected = [
        "position 2: a chain that is not 32 bytes",
        "position 5: a time outside the calendar",
        "position 6: a time outside the calendar",
        "position 7: the events of positions 7 to 8 are missing",
    ];
    assert_eq!(found, expected);
    assert_eq!((report.events, report.head), (4, Position(9)));
}

/// Drops coins into some jars, and signs as a relay would.
async fn fill(fixture: &Fixture, key: &SigningKey) -> Collected {
    let auditor = fixture.auditor().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let mut heads = Collected::default();
    for number in 1..=EVENTS {
        let drop = JarCommand::Drop { coins: number, note: format!("coin {number}") };
        jars.execute(&format!("jar {}", number % 7), drop, ask()).await.unwrap();
        if number % HEADS_EVERY == 0 {
            let mut connection = auditor.acquire().await.unwrap();
            let now = Now::look(&mut connection, Position::ZERO).await.unwrap();
            let at = Timestamp::from_micros(number).unwrap();
            heads.heads.push(now.statement("jars", None, at).sign(key));
        }
    }
    heads
}

/// What is found.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    walk: Vec<verify::Violation>,
    heads: Vec<Finding>,
}

async fn look(connection: &mut PgConnection, heads: &Collected, trusted: &[PublicKey]) -> Seen {
    let walk = verify::on(&mut *connection).await.unwrap().violations;
    let heads = compare_on(&mut *connection, "jars", heads, trusted).await.unwrap().findings;
    Seen { walk, heads }
}

fn assert_located(number: u64, tamper: &Tamper, seen: &Seen) {
    let first = Position(tamper.first_touched());
    if !tamper.perfect {
        let located = seen.walk.first().map(|violation| violation.position);
        assert_eq!(located, Some(first), "tamper {number}: {tamper:?}: {seen:?}");
        return;
    }
    assert_eq!(seen.walk, [], "tamper {number} was to be perfect: {tamper:?}");
    let located = match (&tamper.kind, seen.heads.first()) {
        (Kind::Genesis, Some(Finding::OtherDatabase { .. })) => true,
        (_, Some(Finding::Rewritten { agrees, differs, .. })) => *agrees < first && first <= *differs,
        (_, Some(Finding::Cut { agrees, signed, .. })) => *agrees < first && first <= *signed,
        _ => false,
    };
    assert!(located, "tamper {number}: {tamper:?}: {seen:?}");
}
