//! What happened in a run, step by step, for people.

use std::cell::RefCell;
use std::rc::Rc;

/// The lines of a run, if anybody wants them. It outlives the run, which may end in the middle of a step.
#[derive(Clone, Debug, Default)]
pub struct History(Option<Rc<RefCell<Vec<String>>>>);

impl History {
    /// Keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Keeps everything.
    #[must_use]
    pub fn kept() -> Self {
        Self(Some(Rc::default()))
    }

    pub(crate) fn note(&self, at_ms: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            lines.borrow_mut().push(format!("{at_ms:>7} ms  {}", line()));
        }
    }

    /// What was kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.as_ref().map(|lines| lines.borrow().clone()).unwrap_or_default()
    }
}
