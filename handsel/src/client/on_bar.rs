//! How it goes, shown on a bar.

use std::fmt;
use std::sync::Arc;

use platform::bar::Bar;

use super::{Report, Summary};

/// Shows on the bar and speaks on standard error.
#[derive(Clone)]
pub struct OnBar(pub Arc<Bar>);

impl Report for OnBar {
    fn answered(&self) {
        self.0.add(1);
    }

    fn say(&self, line: &str) {
        eprintln!("{line}");
    }
}

/// Ends a bar that nobody else holds any more.
pub fn finish(bar: Arc<Bar>) {
    if let Some(bar) = Arc::into_inner(bar) {
        bar.finish();
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { imported, already_there, refused } = self;
        write!(f, "{imported} imported, {already_there} already there, {refused} refused")
    }
}
