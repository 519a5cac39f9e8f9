//! The program: one binary, every role a sub-command, `up` for all of them.

use std::process::ExitCode;

/// A request is some hundred small allocations on one thread, freed on another.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    handsel::main()
}
