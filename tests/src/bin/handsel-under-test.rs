//! The program as its users run it, built with the tests that start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    handsel::main()
}
