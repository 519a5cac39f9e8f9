//! The batcher alone: two processes on one store in memory, through thousands of histories of lost connections, lost
//! races, late reads, repeats and impatience. A failing seed fails again.

mod judge;
mod unreadable;
mod world;

use self::world::World;

/// How many histories are played.
const SEEDS: u64 = 600;
const STEPS: usize = 400;

#[test]
fn whatever_happens_each_success_is_in_the_store_once_and_each_refusal_rests_on_it() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle_down();
    }
}

#[test]
fn without_trouble_nothing_takes_the_slow_path() {
    let mut events = 0;
    for seed in 0..100 {
        let mut world = World::calm(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle_down();
        assert_eq!(world.settled(), 0, "seed {seed}");
        events += world.events();
    }
    assert!(events > 100 * 50, "{events} events");
}
