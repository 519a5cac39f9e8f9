//! What signed heads say against a store, in words for whoever has to find out what happened.

use std::fmt;

use envelope::{History, Position, Timestamp};
use uuid::Uuid;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many genuine heads of this store were compared.
    pub heads: usize,
    /// The newest of them that the store was compared with, and when it was signed.
    pub newest: Option<(Position, Timestamp)>,
    /// What does not hold.
    pub findings: Vec<Finding>,
    /// What is worth knowing and no reason to doubt the store.
    pub notes: Vec<Note>,
}

impl Report {
    /// Whether the store is what was signed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One thing that does not hold. Each says what happened, since when, which positions, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// What stands there is no head.
    Unreadable {
        /// The file and its line, or the topic and its offset.
        place: String,
        /// Why not.
        reason: String,
    },
    /// A head that its key did not sign so.
    Forged {
        /// What it claims.
        position: Position,
        /// When it claims to be of.
        at: Timestamp,
    },
    /// A head of somebody whose key is not trusted.
    Stranger {
        /// Whose.
        key: String,
        /// How many there are.
        heads: usize,
        /// The newest position they claim.
        position: Position,
    },
    /// A head of another store's.
    Misplaced {
        /// Whose store.
        context: String,
    },
    /// This is not the database that was signed.
    OtherDatabase {
        /// What the signed store began with.
        signed: Uuid,
        /// What this one began with.
        found: Uuid,
        /// When the other one was last signed.
        at: Timestamp,
        /// Where it ended then.
        position: Position,
    },
    /// The newest events are gone.
    Cut {
        /// The newest signed position where the store is what was signed.
        agrees: Position,
        /// Where the store ends.
        head: Position,
        /// Where it ended when it was last signed.
        signed: Position,
        /// When that was.
        at: Timestamp,
    },
    /// Other events stand where something else was signed.
    Rewritten {
        /// The newest signed position where the store is what was signed.
        agrees: Position,
        /// The first signed position where it is not.
        differs: Position,
        /// The newest signed position where it is not.
        up_to: Position,
        /// When that one was signed.
        at: Timestamp,
    },
    /// The store is in a history that a recovery ended.
    EndedHistory {
        /// Which.
        history: History,
        /// When it ended.
        at: Timestamp,
        /// Which began.
        next: History,
    },
}

/// One thing that is worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Events were lost once, and a recovery has said so.
    Recovered {
        /// When.
        at: Timestamp,
        /// Which history ended.
        ended: History,
        /// Which began.
        history: History,
        /// What was kept.
        kept: Position,
        /// The newest position that was signed before and was not kept; none if nothing signed was lost.
        lost: Option<Position>,
    },
    /// An older copy had been restored and had gone on when a recovery ended its history.
    Replaced {
        /// When it was recovered.
        at: Timestamp,
        /// Which history ended.
        ended: History,
        /// The newest signed position of that history at which the store still has what was signed.
        agrees: Position,
        /// The newest signed position at which it has other events.
        up_to: Position,
    },
    /// The store is in a history that no signed head names.
    UnsignedHistory(History),
    /// The last line of a file breaks off; its writer was interrupted and writes it again.
    Torn(String),
    /// Nobody said whose heads to trust, so these were taken at their word.
    Unvouched(String),
}

impl Finding {
    /// Whether events that were signed are missing in the store or are others: nothing may be appended to it. What
    /// merely stands beside the heads, or speaks of another database, says nothing of that.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Cut { .. } | Self::Rewritten { .. } | Self::EndedHistory { .. } => true,
            Self::Unreadable { .. }
            | Self::Forged { .. }
            | Self::Stranger { .. }
            | Self::Misplaced { .. }
            | Self::OtherDatabase { .. } => false,
        }
    }
}

const RESTORE: &str = "restore the newest copy, or accept the loss with `recover`";

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { place, reason } => {
                write!(f, "{place} holds no signed head ({reason}): somebody wrote there; compare with another copy")
            }
            Self::Forged { position, at } => write!(
                f,
                "the signature of the head at position {position} of {at} is false: somebody made or changed it; \
                 compare the heads with another copy"
            ),
            Self::Stranger { key, heads, position } => write!(
                f,
                "{heads} heads up to position {position} are signed by {key}, which is not trusted here: add that key \
                 to HANDSEL_HEADS_PUBLIC_KEY if it is one of yours; else somebody else signs"
            ),
            Self::Misplaced { context } => write!(f, "there is a signed head of `{context}` among those of this store"),
            Self::OtherDatabase { signed, found, at, position } => write!(
                f,
                "this is another database: the store that was signed until {at}, at position {position}, has the \
                 genesis {signed}, and this one has {found}. Name the right database; if it was replaced on purpose, \
                 put the heads of the old one away"
            ),
            Self::Cut { agrees, head, signed, at } => write!(
                f,
                "the newest events are cut off: position {signed} was signed at {at} and the store ends at {head}, so \
                 positions {} to {signed} were lost after that time. Positions up to {agrees} are what was signed; \
                 {RESTORE}",
                head.next()
            ),
            Self::Rewritten { agrees, differs, up_to, at } => write!(
                f,
                "other events stand where position {up_to} was signed at {at}: an older copy was restored and went on, \
                 or events were written anew, after that time. Positions up to {agrees} are what was signed; the first \
                 other event is one of {} to {differs}; {RESTORE}",
                agrees.next()
            ),
            Self::EndedHistory { history, at, next } => write!(
                f,
                "the store is in history {history}, which a recovery ended at {at} for {next}: a copy from before it \
                 was restored; {RESTORE}"
            ),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovered { at, ended, history, kept, lost: Some(lost) } => write!(
                f,
                "at {at} a recovery ended history {ended} and began {history}: positions {} to {lost} of the old one \
                 are lost",
                kept.next()
            ),
            Self::Recovered { at, ended, history, kept, lost: None } => write!(
                f,
                "at {at} a recovery ended history {ended} at position {kept} and began {history}; nothing that was \
                 signed is lost"
            ),
            Self::Replaced { at, ended, agrees, up_to } => write!(
                f,
                "at {at} a recovery ended history {ended}, in which other events had taken the places of those after \
                 position {agrees}, signed up to {up_to}: those are lost"
            ),
            Self::UnsignedHistory(history) => write!(f, "no signed head names the store's history {history} yet"),
            Self::Torn(place) => write!(f, "{place} breaks off: its writer was interrupted"),
            Self::Unvouched(key) => write!(
                f,
                "the heads signed by {key} are taken at their word: neither HANDSEL_HEADS_PUBLIC_KEY nor a key of this \
                 instance says whose to trust"
            ),
        }
    }
}
