//! Two query APIs, each a process of its own, share what they read in one Redis: nobody gets what is older than what
//! they did, whether Redis answers, hangs, dies or comes back.

mod server;
mod system;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tests::{ETA_MAX, until};

use server::RedisServer;
use system::System;

/// Who writes and reads at once, each at a product of their own: as many as that, or more for many pairs.
const WRITERS_MIN: u64 = 16;
const WRITERS_MAX: u64 = 256;
const PAIRS_OF_EACH: u64 = 200;
/// How many reads of one of them are under way at once.
const READS_OF_EACH: u64 = 4;
/// How many pairs of a write and the reads after it there are in all, unless the environment says how many.
const PAIRS: u64 = 320;
const PAIRS_VARIABLE: &str = "HANDSEL_RACING_PAIRS";
/// What a read may take while Redis hangs: the slowest of a machine that is busy with other tests.
const READ_MAX: Duration = Duration::from_secs(5);

/// So many pairs, spread over the writers: how many reads were older than what their reader had done.
async fn race(system: &System, pairs: u64) -> u64 {
    let (stale, slowest) = (AtomicU64::new(0), AtomicU64::new(0));
    let count = system.products.len();
    let writers = (0..count).map(async |writer| {
        for pair in 0..pairs.div_ceil(count as u64) {
            let title = format!("Mug {pair}");
            let told = system.retitle(writer, &title).await;
            let begun = Instant::now();
            // A stranger at either process brings in what is shown there now, which may be old.
            let strangers = [0, 1].map(|at| system.title(at, writer, None));
            let mine = [0, 1].map(|at| system.title(at, writer, Some(&told)));
            let (_, seen) = futures::join!(join_all(strangers), join_all(mine));
            stale.fetch_add(seen.iter().filter(|seen| **seen != title).count() as u64, Ordering::Relaxed);
            // And reads what others do, with a token that says nothing of it.
            let neighbour = system.title(usize::from(pair % 2 == 0), (writer + 1) % count, Some(&told)).await;
            assert!(neighbour.starts_with("Mug"), "{neighbour}");
            slowest.fetch_max(u64::try_from(begun.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
        }
    });
    join_all(writers).await;
    let slowest = Duration::from_millis(slowest.into_inner());
    assert!(slowest < READ_MAX, "the slowest reads took {slowest:?}");
    stale.into_inner()
}

/// Reads what nobody changes at one process and then at the other, until the other one takes it from Redis.
async fn until_shared(system: &System) {
    until("one process reads what the other one loaded", ETA_MAX, async || {
        let before = system.reads(1, "hit").await;
        let product = system.draft(&[0]).await;
        for at in [0, 1, 0, 1] {
            system.title_of(at, &product, None).await;
        }
        system.reads(1, "hit").await > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_what_they_read_and_nobody_reads_what_is_older() {
    let Some(mut redis) = RedisServer::start().await else {
        eprintln!(
            "SKIPPED: redis-server is not installed (apt-get install redis-server); the second tier is not tried"
        );
        return;
    };
    let pairs = std::env::var(PAIRS_VARIABLE).map_or(PAIRS, |count| count.parse().expect("a number"));
    let writers = (pairs / PAIRS_OF_EACH).clamp(WRITERS_MIN, WRITERS_MAX);
    let system = System::start(&redis.url, usize::try_from(writers).unwrap()).await;
    until_shared(&system).await;
    let begun = Instant::now();
    assert_eq!(race(&system, pairs).await, 0, "stale reads while Redis answers");
    let hits = system.reads(0, "hit").await + system.reads(1, "hit").await;
    eprintln!("{pairs} pairs in {:?}, none stale, {hits} answers from Redis", begun.elapsed());
    assert_eq!([system.checks(0, "stale").await, system.checks(1, "stale").await], [0, 0]);

    // It takes connections and answers nothing: a few wait for it, and then nobody.
    let failed = system.reads(0, "failed").await + system.reads(1, "failed").await;
    let away = system.reads(0, "away").await + system.reads(1, "away").await;
    redis.freeze();
    assert_eq!(race(&system, PAIRS / 4).await, 0, "stale reads while Redis hangs");
    let waited = system.reads(0, "failed").await + system.reads(1, "failed").await - failed;
    let spared = system.reads(0, "away").await + system.reads(1, "away").await - away;
    assert!(waited <= READS_OF_EACH * writers, "{waited} reads waited for a Redis that hangs, {spared} did not");
    assert!(spared > 0, "it is not asked any more");
    until("its silence is said", ETA_MAX, async || system.remarks(0).await && system.remarks(1).await).await;
    redis.thaw();
    until("it is used again", ETA_MAX, async || !system.remarks(0).await && !system.remarks(1).await).await;
    until_shared(&system).await;

    // It dies in the middle, and comes back with nothing.
    let (stale, ()) = futures::join!(race(&system, PAIRS / 2), async {
        let away = system.reads(0, "away").await;
        redis.kill().await;
        until("it is away", ETA_MAX, async || system.reads(0, "away").await > away).await;
    });
    assert_eq!(stale, 0, "stale reads while Redis dies");
    redis.start_again().await;
    until("it is used again", ETA_MAX, async || !system.remarks(0).await && !system.remarks(1).await).await;
    until_shared(&system).await;
    assert_eq!(race(&system, PAIRS / 4).await, 0, "stale reads after it came back");
    assert_eq!([system.checks(0, "stale").await, system.checks(1, "stale").await], [0, 0]);
    system.stop().await;
}
