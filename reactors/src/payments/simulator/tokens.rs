//! What each method token makes of a call. Pure: the books and the clock are looked at by who calls.

use event_schemas::payments::OperationKind;

/// What a payer is waited for with.
pub(super) const ACTION_REQUIRED: &str = "action_required";

/// What a method token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// All goes well.
    Good,
    /// The authorization is declined.
    Declined,
    /// The first call of each operation is lost on its way.
    TimeoutBefore,
    /// The answer to the first call of each operation is lost on its way.
    TimeoutAfter,
    /// Each operation takes a while.
    Late,
    /// The payer has to confirm the authorization.
    ActionRequired,
    /// It can be authorized and not captured.
    CaptureDeclined,
    /// The provider is away.
    Down,
    /// No token of the simulator.
    Other,
}

/// What becomes of an operation that is asked for and was not decided on before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    /// The call was lost: nobody knows of the operation.
    Unseen,
    /// It takes a while, or waits for the payer.
    Pending(&'static str),
    /// It is done.
    Succeeded,
    /// It is not done.
    Failed(&'static str, &'static str),
}

/// Whether the caller hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The answer arrives.
    Answer,
    /// It does not.
    Nothing,
    /// There is no connection.
    NoConnection,
}

impl Token {
    pub(super) fn of(method: &str) -> Self {
        match method {
            "pm_sim_ok" => Self::Good,
            "pm_sim_declined" => Self::Declined,
            "pm_sim_timeout_before" => Self::TimeoutBefore,
            "pm_sim_timeout_after" => Self::TimeoutAfter,
            "pm_sim_late" => Self::Late,
            "pm_sim_action_required" => Self::ActionRequired,
            "pm_sim_capture_declined" => Self::CaptureDeclined,
            "pm_sim_down" => Self::Down,
            _ => Self::Other,
        }
    }

    /// Whether the caller hears of a call; the first one is 1.
    pub(super) fn hears(self, call: i64) -> Heard {
        match self {
            Self::Down => Heard::NoConnection,
            Self::TimeoutBefore | Self::TimeoutAfter if call == 1 => Heard::Nothing,
            Self::Good
            | Self::Declined
            | Self::TimeoutBefore
            | Self::TimeoutAfter
            | Self::Late
            | Self::ActionRequired
            | Self::CaptureDeclined
            | Self::Other => Heard::Answer,
        }
    }

    /// What becomes of an operation by a call; `refused` is what the books say against it.
    pub(super) fn makes(
        self,
        kind: OperationKind,
        call: i64,
        refused: Option<(&'static str, &'static str)>,
    ) -> Becomes {
        if self == Self::Down || (self == Self::TimeoutBefore && call == 1) {
            return Becomes::Unseen;
        }
        if let Some((code, reason)) = refused {
            return Becomes::Failed(code, reason);
        }
        match (self, kind) {
            (Self::Other, _) => Becomes::Failed("unknown_method", "The simulator has no such method token."),
            (Self::Declined, OperationKind::Authorize) => Becomes::Failed("card_declined", "The card was declined."),
            (Self::CaptureDeclined, OperationKind::Capture) => {
                Becomes::Failed("capture_declined", "The bank did not release the money.")
            }
            (Self::Late, _) => Becomes::Pending("processing"),
            (Self::ActionRequired, OperationKind::Authorize) => Becomes::Pending(ACTION_REQUIRED),
            _ => Becomes::Succeeded,
        }
    }

    /// Whether a pending operation is done by now.
    pub(super) fn is_through(self, waited_ms: i64, late_ms: i64, confirmed: bool) -> bool {
        match self {
            Self::Late => waited_ms >= late_ms,
            Self::ActionRequired => confirmed,
            Self::Good
            | Self::Declined
            | Self::TimeoutBefore
            | Self::TimeoutAfter
            | Self::CaptureDeclined
            | Self::Down
            | Self::Other => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use OperationKind::{Authorize, Capture, Refund, Void};

    use super::*;

    const ALL: [OperationKind; 4] = [Authorize, Capture, Void, Refund];

    /// What becomes of an operation by its first call, and by its second if the first was lost.
    fn made(token: &str, kind: OperationKind) -> (Becomes, Heard, Becomes, Heard) {
        let token = Token::of(token);
        (token.makes(kind, 1, None), token.hears(1), token.makes(kind, 2, None), token.hears(2))
    }

    #[test]
    fn each_token_does_what_it_is_named_for() {
        use Becomes::{Pending, Succeeded, Unseen};
        use Heard::{Answer, NoConnection, Nothing};
        for kind in ALL {
            assert_eq!(made("pm_sim_ok", kind), (Succeeded, Answer, Succeeded, Answer));
            assert_eq!(made("pm_sim_timeout_before", kind), (Unseen, Nothing, Succeeded, Answer));
            assert_eq!(made("pm_sim_timeout_after", kind), (Succeeded, Nothing, Succeeded, Answer));
            assert_eq!(made("pm_sim_down", kind), (Unseen, NoConnection, Unseen, NoConnection));
            assert_eq!(made("pm_sim_late", kind).0, Pending("processing"));
            let is_other = matches!(made("pm_visa", kind).0, Becomes::Failed("unknown_method", _));
            assert!(is_other, "{kind}");
        }
        for (token, at, code) in
            [("pm_sim_declined", Authorize, "card_declined"), ("pm_sim_capture_declined", Capture, "capture_declined")]
        {
            for kind in ALL {
                let failed = matches!(made(token, kind).0, Becomes::Failed(found, _) if found == code);
                assert_eq!(failed, kind == at, "{token}, {kind}");
            }
        }
        assert_eq!(made("pm_sim_action_required", Authorize).0, Pending("action_required"));
        assert_eq!(made("pm_sim_action_required", Capture).0, Succeeded);
    }

    #[test]
    fn what_the_books_say_against_it_comes_first_unless_the_call_was_lost() {
        let no = Some(("amount_too_large", "More than was authorized."));
        let failed = Becomes::Failed("amount_too_large", "More than was authorized.");
        for token in ["pm_sim_ok", "pm_sim_late", "pm_sim_timeout_after"] {
            assert_eq!(Token::of(token).makes(Capture, 1, no), failed);
        }
        assert_eq!(Token::of("pm_sim_timeout_before").makes(Capture, 1, no), Becomes::Unseen);
        assert_eq!(Token::of("pm_sim_timeout_before").makes(Capture, 2, no), failed);
    }

    #[test]
    fn what_is_pending_ends_by_time_or_by_the_payer() {
        let (late, action) = (Token::of("pm_sim_late"), Token::of("pm_sim_action_required"));
        assert!(!late.is_through(99, 100, true) && late.is_through(100, 100, false));
        assert!(!action.is_through(i64::MAX, 100, false) && action.is_through(0, 100, true));
    }
}
