//! Rebuild of `sales_summary` from the stores, while the live one stays.

use std::time::Instant;

use anyhow::ensure;

use crate::cells::Cell;
use crate::fill::Filled;
use crate::program::Program;
use crate::{Options, visible};

pub(crate) async fn run(options: &Options, filled: &Filled) -> anyhow::Result<String> {
    let program = Program::start(&filled.data_dir, None).await?;
    // Readers must have caught up, or the rebuild would compete with them.
    let caught_up = Instant::now();
    visible::wait_for_orders(&program, filled.events).await?;
    eprintln!("rebuild: views hold everything after {:.1} s", caught_up.elapsed().as_secs_f64());
    let before = visible::summary(&program).await?;
    let (mut seconds, mut rate) = (Cell::default(), Cell::default());
    for _ in 0..options.pairs {
        let (_, took) = program.call(&["rebuild", "sales_summary"]).await?;
        seconds.add(took.as_secs_f64());
        rate.add(filled.events as f64 / took.as_secs_f64());
    }
    let after = visible::summary(&program).await?;
    ensure!(before == after, "the rebuild changed the totals: {before} became {after}");
    program.call(&["verify"]).await?;
    program.stop().await?;
    Ok(format!(
        "`handsel rebuild sales_summary` with {} events stored, from the start of the command to its end, \
         with comparison and switch; {} runs.\n\n\
         | | median (smallest–largest) |\n|---|---|\n| seconds | {} |\n| events per second | **{}** |\n\n\
         The totals were the same before and after, and `verify` passed.",
        filled.events,
        options.pairs,
        seconds.show(1),
        rate.show(0),
    ))
}
