//! No reader with a token gets what is older than it, whatever races; and what is read often is there.

mod apart;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use axum::body::Bytes;
use envelope::{History, Position};
use platform::token::ConsistencyToken;
use uuid::Uuid;

use super::{AsOf, CONTEXT, Known, ProductCache, Source};

/// What processes share, as Redis has it.
#[derive(Default)]
struct Shared {
    values: Mutex<HashMap<Uuid, Bytes>>,
    /// How often one was taken.
    hits: AtomicU64,
}

const SOURCE: Source = Source { history: Uuid::nil(), generations: (1, 1) };
const PRODUCTS: usize = 24;
const WRITERS: u64 = 4;
/// Writers that each read what they wrote, all in all.
const PAIRS: u64 = 100_000;

/// A store, and what reads it: each as far as it came.
struct World {
    /// The product of each event; its position is its place, from 1 on.
    store: Vec<usize>,
    /// How many events each product has.
    written: Vec<i64>,
    view: Reader,
    audit: Reader,
}

#[derive(Default)]
struct Reader {
    at: usize,
    seen: Vec<i64>,
}

impl Reader {
    fn apply(&mut self, store: &[usize], max: usize) {
        for product in store.iter().skip(self.at).take(max) {
            self.seen[*product] += 1;
            self.at += 1;
        }
    }
}

impl World {
    fn new(products: usize) -> Self {
        let reader = || Reader { at: 0, seen: vec![0; products] };
        Self { store: vec![], written: vec![0; products], view: reader(), audit: reader() }
    }

    /// Gives the position and the version of what was written.
    fn write(&mut self, product: usize) -> (i64, i64) {
        self.store.push(product);
        self.written[product] += 1;
        (place(self.store.len()), self.written[product])
    }

    /// As one statement does: the row, and as of where nothing is lacking.
    fn load(&self, product: usize) -> (i64, Option<AsOf>) {
        let version = self.view.seen[product];
        (version, (self.audit.seen[product] <= version).then(|| as_of(self.audit.at)))
    }

    /// What changed after a place up to where the audit log is.
    fn look(&self, from: usize) -> (usize, Vec<(Uuid, i64)>) {
        let changed = self.store[from..self.audit.at].iter().zip(from + 1..);
        (self.audit.at, changed.map(|(product, at)| (id(*product), place(at))).collect())
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// The first is twice as likely as the second and thrice as likely as the third.
    fn zipf(&mut self, sums: &[f64]) -> usize {
        let total = sums.last().copied().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "it is a die")]
        let at = self.roll(1 << 52) as f64 / (1_u64 << 52) as f64 * total;
        sums.partition_point(|sum| *sum <= at)
    }
}

fn place(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

fn as_of(count: usize) -> AsOf {
    AsOf { source: SOURCE, position: place(count) }
}

fn id(product: usize) -> Uuid {
    Uuid::from_u128(u128::try_from(product).unwrap())
}

fn known(version: i64) -> Arc<Known> {
    Arc::new(Known::new(version, Bytes::from(version.to_string())))
}

fn token(position: i64) -> ConsistencyToken {
    ConsistencyToken::of(CONTEXT, History(Uuid::nil()), &[(3, Position(position))])
}

/// Reads as the route does: from the cache, else from what is shared, or else from the view as soon as it has what the
/// token tells of.
fn read(
    world: &Mutex<World>,
    (cache, shared): (&ProductCache, Option<&Shared>),
    product: usize,
    told: i64,
    dice: &mut Dice,
) -> i64 {
    let asked = if told == 0 { ConsistencyToken::default() } else { token(told) };
    if let Some(known) = cache.get(id(product), &asked) {
        return known.version;
    }
    if let Some(shared) = shared {
        let value = shared.values.lock().unwrap().get(&id(product)).cloned();
        if let Some(known) = value.and_then(|value| cache.accept(id(product), SOURCE, &value, &asked).1) {
            shared.hits.fetch_add(1, Ordering::Relaxed);
            return known.version;
        }
    }
    while place(world.lock().unwrap().view.at) < told {
        thread::yield_now();
    }
    let loading = cache.begin(id(product));
    let (version, as_of) = world.lock().unwrap().load(product);
    if dice.roll(4) == 0 {
        thread::yield_now();
    }
    if let Some((loading, as_of)) = loading.zip(as_of) {
        loading.put(known(version), as_of);
        if let Some(shared) = shared {
            let value = known(version).shared(as_of.position).into();
            shared.values.lock().unwrap().insert(id(product), value);
        }
    }
    version
}

/// What takes in the store, until it is over.
fn follow(world: &Mutex<World>, over: &AtomicBool, seed: u64, reader: fn(&mut World) -> (&mut Reader, &[usize])) {
    let mut dice = Dice(seed);
    while !over.load(Ordering::Relaxed) {
        let max = usize::try_from(dice.roll(20)).unwrap();
        let mut world = world.lock().unwrap();
        let (reader, store) = reader(&mut world);
        reader.apply(store, max);
        drop(world);
        thread::yield_now();
    }
}

/// What tells a cache of changes, until it is over; now and then it loses the thread and begins again.
fn feed(world: &Mutex<World>, cache: &ProductCache, over: &AtomicBool, seed: u64) {
    let (mut from, mut dice) = (0, Dice(seed));
    while !over.load(Ordering::Relaxed) {
        let (to, changed) = world.lock().unwrap().look(from);
        thread::yield_now();
        if dice.roll(5_000) == 0 {
            cache.pause();
        }
        cache.advance(as_of(to), &changed);
        from = to;
    }
}

/// Writes, and reads what was written: how often that was older. Others read as well, without a token: they bring in
/// what is old already for the writer.
fn pairs(world: &Mutex<World>, (cache, shared): (&ProductCache, Option<&Shared>), count: u64, seed: u64) -> u64 {
    let (mut dice, mut stale) = (Dice(seed), 0);
    for _ in 0..count {
        let product = usize::try_from(dice.roll(PRODUCTS as u64)).unwrap();
        let (position, version) = world.lock().unwrap().write(product);
        read(world, (cache, shared), product, 0, &mut dice);
        stale += u64::from(read(world, (cache, shared), product, position, &mut dice) < version);
        let other = usize::try_from(dice.roll(PRODUCTS as u64)).unwrap();
        read(world, (cache, shared), other, position, &mut dice);
    }
    stale
}

#[test]
fn of_a_hundred_thousand_writers_who_read_at_once_none_reads_what_is_older() {
    let (world, cache, over) = (Mutex::new(World::new(PRODUCTS)), ProductCache::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| follow(&world, &over, 7, |world| (&mut world.view, &world.store)));
        scope.spawn(|| follow(&world, &over, 8, |world| (&mut world.audit, &world.store)));
        scope.spawn(|| feed(&world, &cache, &over, 99));
        let write = |seed| pairs(&world, (&cache, None), PAIRS / WRITERS, seed);
        let writers: Vec<_> = (0..WRITERS).map(|seed| scope.spawn(move || write(seed + 11))).collect();
        let stale: Vec<u64> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        assert_eq!(stale.iter().sum::<u64>(), 0, "stale reads, by writer: {stale:?}");
    });
    let counts = cache.counts();
    assert!(counts.hits > PAIRS / 20 && counts.behind > 0 && counts.misses > 0, "the cache was raced: {counts:?}");
}

#[test]
fn what_is_read_as_zipf_has_it_is_nearly_always_there() {
    const KNOWN: usize = 2_000;
    let (world, cache, mut dice) = (Mutex::new(World::new(KNOWN)), ProductCache::default(), Dice(5));
    let mut sums = vec![];
    let mut total = 0.0;
    for rank in 1..=u32::try_from(KNOWN).unwrap() {
        total += 1.0 / f64::from(rank);
        sums.push(total);
    }
    cache.advance(as_of(0), &[]);
    let mut from = 0;
    for reads in 0..100_000 {
        let product = dice.zipf(&sums);
        if reads % 100 == 0 {
            let mut world = world.lock().unwrap();
            world.write(product);
            let World { store, view, audit, .. } = &mut *world;
            view.apply(store, 1);
            audit.apply(store, 1);
            let (to, changed) = world.look(from);
            cache.advance(as_of(to), &changed);
            from = to;
        }
        read(&world, (&cache, None), product, 0, &mut dice);
    }
    let counts = cache.counts();
    assert_eq!(counts.hits + counts.misses, 100_000);
    assert!(counts.hits * 100 >= 95 * 100_000, "{counts:?}");
}

#[test]
fn what_changes_while_it_is_loaded_is_not_kept() {
    let (cache, product, any) = (ProductCache::default(), id(1), ConsistencyToken::default());
    assert!(cache.begin(product).is_none(), "nobody follows what changes");
    cache.advance(as_of(1), &[]);
    let loading = cache.begin(product).unwrap();
    cache.advance(as_of(2), &[(product, 2)]);
    loading.put(known(1), as_of(1));
    assert!(cache.get(product, &any).is_none());
    // A row that was read before something else was done is older than what is known.
    let loading = cache.begin(product).unwrap();
    loading.put(known(1), as_of(1));
    assert!(cache.get(product, &any).is_none());
    cache.begin(product).unwrap().put(known(2), as_of(2));
    assert_eq!(cache.get(product, &any).unwrap().version, 2);
    // Another product changes: this one stays, and is as of there.
    assert!(cache.get(product, &token(3)).is_none(), "nobody knows yet");
    cache.advance(as_of(3), &[(id(2), 3)]);
    assert_eq!(cache.get(product, &token(3)).unwrap().version, 2);
}

#[test]
fn another_history_another_generation_or_a_pause_drops_everything() {
    let (cache, product, any) = (ProductCache::default(), id(1), ConsistencyToken::default());
    let others = [
        Source { history: Uuid::max(), ..SOURCE },
        Source { generations: (2, 1), ..SOURCE },
        Source { generations: (1, 2), ..SOURCE },
    ];
    for source in others {
        cache.advance(as_of(5), &[]);
        cache.begin(product).unwrap().put(known(1), as_of(5));
        assert!(cache.get(product, &any).is_some());
        let loading = cache.begin(product).unwrap();
        cache.advance(AsOf { source, position: 5 }, &[]);
        assert!(cache.get(product, &any).is_none(), "{source:?}");
        loading.put(known(1), as_of(5));
        assert!(cache.get(product, &any).is_none(), "{source:?}: it was loaded before");
    }
    cache.advance(as_of(5), &[]);
    cache.begin(product).unwrap().put(known(1), as_of(5));
    let of_another = ConsistencyToken::of(CONTEXT, History(Uuid::max()), &[(0, Position(1))]);
    assert!(cache.get(product, &of_another).is_none(), "the slow way warns");
    let of_orders = ConsistencyToken::of("orders", History(Uuid::max()), &[(0, Position(9))]);
    assert!(cache.get(product, &of_orders).is_some(), "that is nothing to products");
    cache.pause();
    assert!(cache.get(product, &any).is_none());
    cache.advance(as_of(5), &[]);
    assert!(cache.get(product, &any).is_none(), "nobody knows what changed meanwhile");
}
