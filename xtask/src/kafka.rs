//! `kafka`: an Apache Kafka for development, by the script that does it.

use std::process::Command;

use crate::call;

pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    call(Command::new("bash").arg("infra/kafka/run.sh").args(words))
}
