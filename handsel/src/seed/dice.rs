//! Chance that repeats itself: SplitMix64, and Zipf's law in whole numbers.

/// Gives the same numbers for the same seed, on every machine.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is more than 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// One of `items`, of which there is at least one.
    pub(super) fn one<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap_or_default()]
    }
}

/// Few are wanted often, many seldom: the one at place n is wanted 1/n as often as the first.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    /// Up to where each one's share goes.
    ends: Vec<u64>,
}

impl Zipf {
    /// Among so many.
    pub(super) fn new(count: usize) -> Self {
        const SHARE: u64 = 1_000_000;
        let shares = (1..=count as u64).scan(0, |end, place| {
            *end += SHARE / place;
            Some(*end)
        });
        Self { ends: shares.collect() }
    }

    /// The place of one of them, from 0.
    pub(super) fn draw(&self, dice: &mut Dice) -> usize {
        let end = self.ends.last().copied().unwrap_or(1);
        let point = dice.below(end);
        self.ends.partition_point(|end| *end <= point)
    }
}
