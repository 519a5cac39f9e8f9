//! What can go wrong, how often it does in a run, and how often it did.

use std::collections::BTreeMap;

use event_store::simulation::Dice;

macro_rules! faults {
    ($($name:ident($per_mille:literal): $what:literal,)*) => {
        /// One kind of trouble.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $what] $name,)*
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What happens.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$name => $what,)*
                }
            }

            /// How often it happens in a run that has much of it, of a thousand times that it could.
            fn per_mille(self) -> usize {
                match self {
                    $(Self::$name => $per_mille,)*
                }
            }
        }
    };
}

faults! {
    SeenLate(900): "a commit is seen late",
    AppenderCrash(30): "a process that appends is killed",
    AskedTwice(150): "a client repeats a command before it hears of the first",
    RelayCrash(30): "the leading relay is killed",
    RelayDeposed(60): "a relay loses the lead and does not know it",
    LateRecords(500): "what a dead producer had sent is written later",
    ReportLost(60): "a record is written and the report is lost",
    RecordDropped(120): "a producer drops a record and writes the next",
    OffsetUnknown(60): "a report does not tell the offset",
    ReportTwice(60): "a report comes twice",
    LogWiped(25): "a partition is wiped",
    TailLost(25): "a partition loses its last records",
    HeadCut(25): "a partition loses its first records",
    NotEmptied(300): "a log in doubt cannot be emptied",
    ReadFails(60): "the store does not answer a reader",
    Redelivery(80): "the topic delivers records again",
    PartitionDelayed(80): "a partition is delivered later than the others",
    SeatLost(60): "a projection falls behind and leaves the feed",
    ProjectorCrash(30): "a projector is killed",
    ViewCommitUnknown(60): "the acknowledgement of a view's commit is lost",
    ViewCommitFails(60): "a view's transaction is lost",
    PartitionsLost(60): "a projector loses its partitions and does not know it",
    Unreadable(60): "a record of the topic cannot be read",
    TopicSilent(500): "the topic stays silent until the views have everything",
    Poison(120): "an event cannot be applied",
}

/// What happens in the processes that append; they count it themselves.
pub const WITHIN_PROCESSES: [&str; 5] = [
    "a connection is lost with a batch",
    "the acknowledgement of a commit is lost",
    "aggregates cannot be read",
    "an idle connection is lost",
    "a connection is lost on the slow path",
];

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<&'static str, u64>);

impl Tally {
    /// It happened once more.
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Takes what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// How often it happened.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// The kinds of trouble that never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let all = Fault::ALL.iter().map(|fault| fault.what()).chain(WITHIN_PROCESSES);
        all.filter(|what| self.of(what) == 0).collect()
    }
}

/// How often each kind happens in this run.
pub(crate) struct Chances {
    per_mille: Vec<usize>,
    /// How often something fails in the processes that append, in percent.
    pub(crate) trouble: usize,
    /// Trouble has ended.
    pub(crate) calm: bool,
}

impl Chances {
    /// One run of ten has no trouble at all; in the others about half of the kinds happen, some often and some rarely.
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let calm = dice.percent(10);
        let some = |fault: &Fault, dice: &mut Dice| match dice.below(6) {
            0..3 => 0,
            3 => fault.per_mille().div_ceil(8),
            4 => fault.per_mille().div_ceil(2),
            _ => fault.per_mille(),
        };
        let per_mille = Fault::ALL.iter().map(|fault| if calm { 0 } else { some(fault, dice) }).collect();
        let trouble = if calm { 0 } else { [0, 0, 2, 10][dice.below(4)] };
        Self { per_mille, trouble, calm }
    }

    pub(crate) fn of(&self, fault: Fault) -> usize {
        if self.calm { 0 } else { self.per_mille[fault as usize] }
    }

    pub(crate) fn end(&mut self) {
        (self.calm, self.trouble) = (true, 0);
    }
}
