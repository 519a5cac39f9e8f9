//! What commands answer: versions, keys, transactions, limits.

use event_store::{Refused, StoreError};
use futures::future::join_all;
use serde_json::json;

use super::jar::{Jar, JarCommand, JarError, drop_coin, seal};
use super::{Fixture, ask, key, verified};

#[tokio::test]
async fn a_version_that_is_not_the_newest_is_a_conflict() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let created = jars.execute("a", drop_coin(), ask().expecting(0)).await.expect("it is new");
    assert!(created.created);
    let again = jars.execute("a", drop_coin(), ask().expecting(0)).await.expect_err("it exists");
    assert!(matches!(again, Refused::Conflict { expected: 0, actual: 1 }), "{again}");
    assert_eq!(jars.execute("a", drop_coin(), ask().expecting(1)).await.expect("it fits").version, 2);
}

#[tokio::test]
async fn the_same_key_gets_the_same_answer_and_acts_once() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let first = jars.execute("a", drop_coin(), ask().with_key(key("k", 1))).await.expect("it is accepted");
    assert!(!first.replayed);
    let there = fixture.another().await.commands::<Jar>((), vec![]);
    for jars in [&jars, &there] {
        let again = jars.execute("a", drop_coin(), ask().with_key(key("k", 1))).await.expect("it was accepted");
        assert!(again.replayed);
        assert_eq!((&again.events, again.version), (&first.events, first.version));
        let other = jars.execute("a", drop_coin(), ask().with_key(key("k", 2))).await.expect_err("another body");
        assert!(matches!(other, Refused::KeyReused), "{other}");
    }
    assert_eq!(verified(&fixture.store).await.events, 1);
}

#[tokio::test]
async fn requests_with_one_key_at_once_act_once() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let answers = join_all((0..50).map(|_| jars.execute("a", drop_coin(), ask().with_key(key("k", 1))))).await;
    let fresh = answers.into_iter().filter(|answer| !answer.as_ref().expect("all are accepted").replayed).count();
    assert_eq!(fresh, 1);
    assert_eq!(verified(&fixture.store).await.events, 1);
}

#[tokio::test]
async fn an_empty_answer_is_kept_and_a_refusal_is_not() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let empty = jars.execute("a", JarCommand::Count, ask().with_key(key("count", 1))).await.expect("nothing to do");
    jars.execute("a", seal(), ask()).await.expect("it is open");
    let again = jars.execute("a", JarCommand::Count, ask().with_key(key("count", 1))).await.expect("it was answered");
    assert_eq!((again.replayed, again.version), (true, empty.version));
    for _ in 0..2 {
        let refused = jars.execute("a", drop_coin(), ask().with_key(key("late", 1))).await.expect_err("it is sealed");
        assert!(matches!(refused, Refused::Rule(JarError::Sealed)), "{refused}");
    }
}

#[tokio::test]
async fn an_accepted_answer_goes_before_a_later_refusal() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let first = jars.execute("a", drop_coin(), ask().with_key(key("k", 1))).await.expect("it is open");
    jars.execute("a", seal(), ask()).await.expect("it is open");
    let again = jars.execute("a", drop_coin(), ask().with_key(key("k", 1))).await.expect("it was accepted before");
    assert_eq!((again.replayed, again.events), (true, first.events));
}

#[tokio::test]
async fn a_transaction_takes_effect_whole_or_not_at_all() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("full", seal(), ask()).await.expect("it is open");
    let transact = || fixture.store.transact::<JarError>();
    let refused = transact().ask(&jars, "a", drop_coin()).ask(&jars, "full", drop_coin()).execute(ask()).await;
    assert!(matches!(refused, Err(Refused::Rule(JarError::Sealed))));
    assert_eq!(jars.load("a").await.expect("it loads").0, 0);
    let done = transact().ask(&jars, "a", drop_coin()).ask(&jars, "b", drop_coin()).ask(&jars, "a", drop_coin());
    assert_eq!(done.execute(ask()).await.expect("all are open").events.len(), 3);
    assert_eq!(jars.load("a").await.expect("it loads").1.coins, 2);
    verified(&fixture.store).await;
}

#[tokio::test]
async fn a_guard_on_an_aggregate_that_is_not_written_holds_at_the_commit() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let open = |jar: &Jar| if jar.sealed { Err(JarError::Sealed) } else { Ok(()) };
    let guarded = || fixture.store.transact::<JarError>().guard(&jars, "shop", open).ask(&jars, "a", drop_coin());
    guarded().execute(ask()).await.expect("the shop is open");
    let there = fixture.another().await.commands::<Jar>((), vec![]);
    there.execute("shop", seal(), ask()).await.expect("it is open");
    let refused = guarded().execute(ask()).await;
    assert!(matches!(refused, Err(Refused::Rule(JarError::Sealed))));
}

#[tokio::test]
async fn what_postgres_refuses_refuses_its_command_alone() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let answers = join_all((0..40).map(|n| {
        let id = if n == 17 { "bad \0 id".to_owned() } else { format!("jar {n}") };
        let jars = jars.clone();
        async move { (n, jars.execute(&id, drop_coin(), ask()).await) }
    }))
    .await;
    for (n, answer) in answers {
        match answer {
            Ok(_) => assert_ne!(n, 17),
            Err(error) => {
                assert_eq!((n, matches!(error, Refused::Broken(StoreError::Database(_)))), (17, true), "{error}")
            }
        }
    }
    assert_eq!(verified(&fixture.store).await.events, 39);
}

#[tokio::test]
async fn an_event_too_large_to_publish_is_refused() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let large = JarCommand::Drop { coins: 1, note: "x".repeat(600_000) };
    let refused = jars.execute("a", large, ask()).await.expect_err("it is too large");
    assert!(matches!(refused, Refused::Broken(StoreError::TooLarge { .. })), "{refused}");
    jars.execute("a", drop_coin(), ask()).await.expect("a small one fits");
}

#[tokio::test]
async fn a_kept_answer_that_cannot_be_read_refuses_its_command_and_no_other() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    jars.execute("a", drop_coin(), ask().with_key(key("drop", 1))).await.expect("it is open");
    jars.execute("a", JarCommand::Count, ask().with_key(key("count", 1))).await.expect("nothing to do");
    let damage = "update commands set answer = '{\"version\": \"one\"}'";
    sqlx::raw_sql(damage).execute(&fixture.auditor().await).await.expect("an operator can do anything");
    let there = fixture.another().await.commands::<Jar>((), vec![]);
    for (jars, name, command) in
        [(&jars, "drop", drop_coin()), (&there, "drop", drop_coin()), (&there, "count", JarCommand::Count)]
    {
        let damaged = jars.execute("a", command, ask().with_key(key(name, 1)));
        let others = join_all((0..10).map(|n| jars.execute(if n < 5 { "a" } else { "b" }, drop_coin(), ask())));
        let (damaged, others) = futures::join!(damaged, others);
        let damaged = damaged.expect_err("nobody knows what was answered");
        let said = damaged.to_string();
        assert!(matches!(damaged, Refused::Broken(StoreError::Damaged { .. })), "{said}");
        assert!(said.contains(&format!("`{name}`")) && said.contains("`tester`"), "{said}");
        others.into_iter().for_each(|answer| drop(answer.expect("it has nothing to do with that")));
    }
    assert_eq!(verified(&fixture.store).await.events, 31);
}

#[tokio::test]
async fn an_auditor_finds_a_kept_answer_as_the_appender_does() {
    let fixture = Fixture::new().await;
    let jars = fixture.store.commands::<Jar>((), vec![]);
    let done = jars.execute("a", drop_coin(), ask().with_key(key("k", 7))).await.expect("it is open");
    let found: serde_json::Value =
        sqlx::query_scalar("select stored_answers(array['tester', 'tester'], array['k', 'never used'])")
            .fetch_one(&fixture.auditor().await)
            .await
            .expect("both the appender and its statement look here");
    let answer = serde_json::to_value(&done).expect("an answer is plain data");
    let row =
        json!({ "caller": "tester", "key": "k", "position": 1, "fingerprint": "07".repeat(32), "answer": answer });
    assert_eq!(found, json!([row]));
}
