//! Several processes share what they loaded: whatever Redis keeps, loses or brings back, nobody gets what is older than
//! what they are told of, nor than what their process knows to have changed.

use platform::settings::Secret;

use super::super::changes::Changes;
use super::super::shared::Outcome;
use super::*;
use crate::redis::Redis;

/// A process with a second tier that it is not connected to: a test hands over what that has.
fn process() -> ProductCache {
    ProductCache::new(1 << 20, Some(Redis::at(&Secret::new("redis://127.0.0.1:1")).unwrap()))
}

fn shared(version: i64, position: i64) -> Bytes {
    known(version).shared(position).into()
}

fn version(answer: (Outcome, Option<Arc<Known>>)) -> Result<i64, Outcome> {
    answer.1.map(|known| known.version).ok_or(answer.0)
}

#[tokio::test]
async fn a_shared_product_is_taken_if_it_did_not_change_since_as_far_as_is_known() {
    let (cache, product, any) = (process(), id(1), ConsistencyToken::default());
    let accept = |value: &Bytes, token: &ConsistencyToken| version(cache.accept(product, SOURCE, value, token));
    assert_eq!(accept(&shared(1, 10), &any), Err(Outcome::Old), "nobody follows what changes");
    let mut before = Changes::since(5);
    before.note(product, 8, 20);
    cache.start(as_of(20), before);
    assert_eq!(accept(&shared(1, 7), &any), Err(Outcome::Old), "it changed at 8");
    assert_eq!(accept(&shared(2, 8), &any), Ok(2), "that change is in it, and nothing came after");
    assert_eq!(cache.get(product, &any).unwrap().version, 2, "it is kept");
    assert_eq!(
        version(cache.accept(id(2), SOURCE, &shared(1, 4), &any)),
        Err(Outcome::Old),
        "who knows what was at 5?"
    );
    assert_eq!(version(cache.accept(id(2), SOURCE, &shared(1, 5), &any)), Ok(1));
    // It changes: what is here is dropped, and what is shared is old until somebody has loaded it.
    cache.advance(as_of(30), &[(product, 25)]);
    assert!(cache.get(product, &any).is_none());
    assert_eq!(accept(&shared(2, 24), &any), Err(Outcome::Old));
    assert_eq!(accept(&shared(3, 25), &any), Ok(3));
    // Who was told of more than this process knows takes what is known as of there, and nothing else.
    assert_eq!(accept(&shared(3, 25), &token(31)), Err(Outcome::Old));
    assert_eq!(accept(&shared(4, 31), &token(31)), Ok(4));
    assert_eq!(accept(&shared(4, 31), &token(32)), Err(Outcome::Old));
    let elsewhere = ConsistencyToken::of(CONTEXT, History(Uuid::max()), &[(0, Position(1))]);
    assert_eq!(accept(&shared(4, 31), &elsewhere), Err(Outcome::Old));
    let source = Source { generations: (1, 2), ..SOURCE };
    assert_eq!(version(cache.accept(product, source, &shared(4, 31), &any)), Err(Outcome::Old), "another source");
    assert_eq!(accept(&Bytes::from_static(b"{}"), &any), Err(Outcome::Miss), "that is none of ours");
    assert_eq!(accept(&Bytes::from_static(b"0123456701234567{\"cut\": "), &any), Err(Outcome::Miss));
}

#[tokio::test]
async fn who_forgets_what_changed_takes_nothing_as_of_before() {
    let (cache, any) = (process(), ConsistencyToken::default());
    cache.start(as_of(10), Changes::since(0));
    let many: Vec<_> = (0..50_001).map(|product| (id(product + 10), 11)).collect();
    cache.advance(as_of(20), &many);
    assert_eq!(version(cache.accept(id(1), SOURCE, &shared(1, 15), &any)), Err(Outcome::Old));
    assert_eq!(version(cache.accept(id(1), SOURCE, &shared(1, 20), &any)), Ok(1));
    // Where the log goes back, as after a restore, everything begins anew there.
    cache.advance(as_of(12), &[]);
    assert!(cache.get(id(1), &any).is_none());
    assert_eq!(version(cache.accept(id(1), SOURCE, &shared(1, 11), &any)), Err(Outcome::Old));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_thousand_writers_at_two_processes_none_reads_what_is_older() {
    let (world, shared, over) = (Mutex::new(World::new(PRODUCTS)), Shared::default(), AtomicBool::new(false));
    let processes = [process(), process()];
    thread::scope(|scope| {
        scope.spawn(|| follow(&world, &over, 7, |world| (&mut world.view, &world.store)));
        scope.spawn(|| follow(&world, &over, 8, |world| (&mut world.audit, &world.store)));
        for (cache, seed) in processes.iter().zip([99, 98]) {
            let (world, over) = (&world, &over);
            scope.spawn(move || feed(world, cache, over, seed));
        }
        scope.spawn(|| forgets(&shared, &over));
        let write = |seed: u64| {
            let cache = &processes[usize::try_from(seed % 2).unwrap()];
            pairs(&world, (cache, Some(&shared)), PAIRS / WRITERS, seed)
        };
        let writers: Vec<_> = (0..WRITERS).map(|seed| scope.spawn(move || write(seed + 11))).collect();
        let stale: Vec<u64> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        assert_eq!(stale.iter().sum::<u64>(), 0, "stale reads, by writer: {stale:?}");
    });
    let hits = shared.hits.load(Ordering::Relaxed);
    assert!(hits > PAIRS / 100, "what is shared was raced: {hits}");
}

/// A Redis that is emptied now and then, and restarts with what it had a while ago.
fn forgets(shared: &Shared, over: &AtomicBool) {
    let (mut dice, mut before) = (Dice(5), HashMap::new());
    while !over.load(Ordering::Relaxed) {
        let mut values = shared.values.lock().unwrap();
        match dice.roll(40) {
            0 => values.clear(),
            1 => *values = before.clone(),
            2 => before = values.clone(),
            _ => {}
        }
        drop(values);
        thread::yield_now();
    }
}
