//! One key in two processes at the same instant: one effect and one answer, whichever of them is first.

use event_store::{Commands, Done, Refused};

use super::jar::{Jar, JarCommand, JarError, drop_coin, seal};
use super::{Fixture, ask, key, verified};

const ROUNDS: usize = 300;

async fn keyed(jars: &Commands<Jar>, round: usize, command: JarCommand) -> Result<Done, Refused<JarError>> {
    jars.execute(&format!("jar {round}"), command, ask().with_key(key(&format!("key {round}"), 1))).await
}

/// What may differ between the first answer and a repeat.
fn same(here: &Done, there: &Done) -> bool {
    Done { replayed: false, ..here.clone() } == Done { replayed: false, ..there.clone() }
}

/// Plays one round after another: two processes ask with one key, and somebody else moves the same jar meanwhile.
async fn race(commands: [fn(usize) -> JarCommand; 2]) {
    let fixture = Fixture::new().await;
    let here = fixture.store.commands::<Jar>((), vec![]);
    let there = fixture.another().await.commands::<Jar>((), vec![]);
    let other = fixture.another().await.commands::<Jar>((), vec![]);
    let mut effects = 0;
    for round in 0..ROUNDS {
        let jar = format!("jar {round}");
        let [first, second] = commands.map(|command| command(round));
        let moved = other.execute(&jar, drop_coin(), ask());
        let (one, two, moved) = futures::join!(keyed(&here, round, first), keyed(&there, round, second), moved);
        effects += moved.map_or(0, |done| done.events.len());
        let asked_again = keyed(&other, round, JarCommand::Count).await.expect("it was answered");
        for answer in [&one, &two] {
            match answer {
                Ok(done) => assert!(same(done, &asked_again), "round {round}: {done:?} and {asked_again:?}"),
                Err(Refused::Rule(JarError::Sealed)) => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        let fresh = [&one, &two].into_iter().flatten().filter(|done| !done.replayed).count();
        assert!(fresh <= 1, "round {round}: {one:?} and {two:?}");
        effects += asked_again.events.len();
    }
    assert_eq!(verified(&fixture.store).await.events, u64::try_from(effects).expect("a few hundred"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_and_nothing_to_do_come_to_one_answer() {
    race([|_| drop_coin(), |_| JarCommand::Count]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_with_nothing_to_do_hear_the_same() {
    race([|_| JarCommand::Count, |_| JarCommand::Count]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_effects_come_to_one() {
    race([|_| drop_coin(), |round| if round % 2 == 0 { drop_coin() } else { seal() }]).await;
}
