//! Places at which a fault rig may stop the program, and mistakes that it may plant in it.
//!
//! Only a build with the feature `faults` has them: in every other build both functions are constant and cost nothing.
//! A rig that finds no planted mistake would be worth nothing, so each kind of mistake that its checks are there for
//! can be planted by name, and must be found.
//!
//! `HANDSEL_FAULTS` says what happens, parts separated by `;`:
//! `relay.saved=kill@3` ends the process as `kill -9` would when it passes that place for the third time,
//! `relay.saved=stop@3` freezes it there, `defect=gap-blind` plants a mistake, and `without=silence` leaves out
//! something that is no mistake to leave out: of two ways to the same end only the other one is there to be tested.

#[cfg(feature = "faults")]
pub use on::{left_out, pass, planted};

/// The process passes a place where the order of two writes matters. It may end here.
#[cfg(not(feature = "faults"))]
pub const fn pass(_place: &'static str) {}

/// Whether a mistake is to be made here on purpose.
#[cfg(not(feature = "faults"))]
#[must_use]
pub const fn planted(_defect: &'static str) -> bool {
    false
}

/// Whether one of two ways to the same end is left out here.
#[cfg(not(feature = "faults"))]
#[must_use]
pub const fn left_out(_what: &'static str) -> bool {
    false
}

#[cfg(feature = "faults")]
mod on {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use nix::sys::signal::{Signal, raise};

    static TOLD: LazyLock<Told> = LazyLock::new(|| Told::read(&std::env::var("HANDSEL_FAULTS").unwrap_or_default()));

    /// What `HANDSEL_FAULTS` says.
    #[derive(Default)]
    struct Told {
        defect: Option<String>,
        /// It is said once, so that a run can prove that its mistake was made.
        said: AtomicBool,
        without: Option<String>,
        trap: Option<(String, Signal, u64)>,
        passed: AtomicU64,
    }

    impl Told {
        fn read(text: &str) -> Self {
            let mut told = Self::default();
            for (name, what) in text.split(';').filter_map(|part| part.split_once('=')) {
                match (name, what.split_once('@')) {
                    ("defect", _) => told.defect = Some(what.to_owned()),
                    ("without", _) => told.without = Some(what.to_owned()),
                    (place, Some((action, count))) => {
                        let signal = if action == "stop" { Signal::SIGSTOP } else { Signal::SIGKILL };
                        told.trap = Some((place.to_owned(), signal, count.parse().unwrap_or(1)));
                    }
                    _ => {}
                }
            }
            told
        }
    }

    /// The process passes a place where the order of two writes matters. It may end here.
    pub fn pass(place: &'static str) {
        let Some((trap, signal, count)) = &TOLD.trap else { return };
        if trap == place && TOLD.passed.fetch_add(1, Ordering::Relaxed) + 1 == *count {
            // Neither can fail: both signals exist and are sent to the process itself.
            let _ = raise(*signal);
        }
    }

    /// Whether one of two ways to the same end is left out here.
    #[must_use]
    pub fn left_out(what: &'static str) -> bool {
        TOLD.without.as_deref() == Some(what)
    }

    /// Whether a mistake is to be made here on purpose.
    #[must_use]
    pub fn planted(defect: &'static str) -> bool {
        let is_it = TOLD.defect.as_deref() == Some(defect);
        if is_it && !TOLD.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(defect, "A planted mistake is made");
        }
        is_it
    }
}
