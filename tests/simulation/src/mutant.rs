//! Defects that are planted one at a time, to see that the simulation finds them.

/// A mistake in a shell or a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Postgres confirms a commit that it may still lose.
    AckBeforeCommit,
    /// The lock is let go before what is committed is in sight.
    SeenInAnyOrder,
    /// A client repeats a command without its key.
    RetryWithoutKey,
    /// The relay publishes what others cannot see yet.
    PublishedBeforeSeen,
    /// Nobody looks whether the log was reset, and an offset that does not grow is overlooked.
    LogNotWatched,
    /// Every record is applied, whatever its position.
    FilterDropped,
    /// A gap is taken for nothing.
    GapOverlooked,
    /// Silence is taken for the end.
    SilenceIgnored,
    /// The checkpoint is committed before the rows.
    CheckpointFirst,
    /// The rows are committed before the checkpoint.
    RowsFirst,
    /// Checkpoints are set without being compared.
    CheckpointNotCompared,
    /// What comes after a parked event of its aggregate is applied.
    ParkedOvertaken,
    /// A retry goes on after an event that still fails.
    RetryOutOfOrder,
    /// A view that has parked something says that it shows all of it.
    ParkedCalledWhole,
    /// Tokens are merged by minimum.
    TokenMinimum,
    /// A reader does not wait for its token.
    TokenIgnored,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::AckBeforeCommit,
        Self::SeenInAnyOrder,
        Self::RetryWithoutKey,
        Self::PublishedBeforeSeen,
        Self::LogNotWatched,
        Self::FilterDropped,
        Self::GapOverlooked,
        Self::SilenceIgnored,
        Self::CheckpointFirst,
        Self::RowsFirst,
        Self::CheckpointNotCompared,
        Self::ParkedOvertaken,
        Self::RetryOutOfOrder,
        Self::ParkedCalledWhole,
        Self::TokenMinimum,
        Self::TokenIgnored,
    ];

    /// What is said when it is found for the right reason: one of these.
    #[must_use]
    pub fn shows(self) -> &'static [&'static str] {
        const ROWS: &str = "where the checkpoint";
        const FOLD: &str = "does not show the fold";
        const READER: &str = "a reader who wrote";
        match self {
            Self::AckBeforeCommit => &["was acknowledged with", "what was committed is gone"],
            Self::SeenInAnyOrder => &["before others can see it", "cannot see it"],
            Self::RetryWithoutKey => &["was acknowledged with", "has two effects"],
            Self::PublishedBeforeSeen => &["cannot see it"],
            Self::LogNotWatched => &["does not give a new reader everything"],
            Self::FilterDropped | Self::GapOverlooked | Self::RowsFirst => &[ROWS],
            Self::SilenceIgnored => &["never comes to rest: a view lacks something", "never comes to rest: a reader"],
            Self::CheckpointFirst => &[ROWS, READER],
            Self::CheckpointNotCompared => &[ROWS, "went back"],
            Self::ParkedOvertaken | Self::RetryOutOfOrder => &[FOLD, ROWS],
            Self::ParkedCalledWhole | Self::TokenMinimum | Self::TokenIgnored => &[READER],
        }
    }
}
