//! A thousand seeds hold, one seed plays the same run twice, and every planted defect is found.

use simulation::{Fault, History, Mutant, SEEDS_FOR_ALL, play, run};

const SEEDS: u64 = 1_000;
/// A defect is found within so many seeds.
const MUTANT_SEEDS: u64 = 400;

#[test]
fn whatever_happens_nothing_is_lost_twice_or_out_of_order_and_everything_comes_to_rest() {
    let summary = play(0..SEEDS, None, |_| {});
    if let Some((seed, broken)) = summary.failed {
        panic!("{broken}\nagain: cargo run --release -p simulation -- --seed {seed} --history");
    }
    const { assert!(SEEDS >= SEEDS_FOR_ALL) };
    assert_eq!(summary.tally.missing(), Vec::<&str>::new(), "every kind of trouble happened: {:?}", summary.tally);
    assert!(summary.events > SEEDS * 20, "{} events", summary.events);
    assert!(summary.tally.of("(readers answered)") > SEEDS, "{:?}", summary.tally);
}

#[test]
fn without_trouble_nothing_goes_wrong_on_purpose_and_everything_is_done_all_the_same() {
    let calm = (0..200).map(|seed| run(seed, &History::none(), None));
    let calm: Vec<_> = calm.filter(|it| Fault::ALL.iter().all(|fault| it.tally.of(fault.what()) == 0)).collect();
    assert!(calm.len() >= 10, "{} runs without trouble", calm.len());
    assert!(calm.iter().all(|outcome| outcome.events > 5), "{calm:?}");
}

#[test]
fn the_same_seed_plays_the_same_run() {
    for seed in 0..40 {
        let [first, second] = [(); 2].map(|()| {
            let history = History::kept();
            let outcome = run(seed, &history, None);
            (history.lines(), outcome.tally, outcome.broken)
        });
        assert!(first.0.len() > 100, "seed {seed} has a history");
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn every_planted_defect_is_found() {
    let missed = Mutant::ALL.into_iter().filter_map(|mutant| {
        let summary = play(0..MUTANT_SEEDS, Some(mutant), |_| {});
        let shown = |(_, broken): &(u64, String)| mutant.shows().iter().any(|reason| broken.contains(reason));
        (!summary.failed.as_ref().is_some_and(shown)).then_some((mutant, summary.failed))
    });
    assert_eq!(missed.collect::<Vec<_>>(), []);
}
