//! How long to wait before a delivery is tried again.

use std::time::Duration;

/// When what failed is tried again, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After the first failure; each further one waits longer.
    pub first: Duration,
    /// How many times as long.
    pub factor: u32,
    /// Not longer than this.
    pub longest: Duration,
    /// After so many attempts a person has to look.
    pub attempts_max: i32,
}

impl Default for Pace {
    /// 5 s, 25 s, 2 min, 10 min, 52 min, 4 h and then every 10 h: ten attempts within about 45 hours.
    fn default() -> Self {
        Self { first: Duration::from_secs(5), factor: 5, longest: Duration::from_secs(10 * 60 * 60), attempts_max: 10 }
    }
}

impl Pace {
    /// How long to wait after so many attempts that failed; `None` if that was the last. `chance` from 0 to 1 spreads
    /// what failed together. A receiver may ask for more time, and gets at most an hour of it.
    #[must_use]
    pub fn after(&self, attempts: i32, chance: f64, asked: Option<Duration>) -> Option<Duration> {
        const ASKED_MAX: Duration = Duration::from_secs(60 * 60);
        if attempts >= self.attempts_max {
            return None;
        }
        let power = u32::try_from(attempts - 1).unwrap_or_default();
        let wait = self.first.saturating_mul(self.factor.saturating_pow(power)).min(self.longest);
        // Between four fifths and six fifths.
        let spread = wait.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0));
        Some(asked.map_or(spread, |asked| spread.max(asked.min(ASKED_MAX))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_longer_each_time_and_gives_up_at_last() {
        let pace = Pace::default();
        let waits: Vec<_> =
            (1..=10).map(|attempts| pace.after(attempts, 0.5, None).map(|wait| wait.as_secs())).collect();
        let expected = [5, 25, 125, 625, 3_125, 15_625, 36_000, 36_000, 36_000].map(Some);
        assert_eq!(waits[..9], expected);
        assert_eq!(waits[9], None);
    }

    #[test]
    fn what_failed_together_comes_back_apart_and_whoever_asks_for_time_gets_it() {
        let pace = Pace::default();
        assert_eq!(pace.after(1, 0.0, None), Some(Duration::from_secs(4)));
        assert_eq!(pace.after(1, 1.0, None), Some(Duration::from_secs(6)));
        let asked = |seconds| pace.after(1, 0.5, Some(Duration::from_secs(seconds)));
        assert_eq!((asked(1), asked(60), asked(100_000)).0, Some(Duration::from_secs(5)));
        assert_eq!((asked(60), asked(100_000)), (Some(Duration::from_secs(60)), Some(Duration::from_secs(3_600))));
    }
}
