//! What was set reaches the clients.

use clap::Parser;

use super::*;

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Words {
    #[command(flatten)]
    kafka: KafkaSettings,
}

fn config(words: &[&str]) -> ClientConfig {
    client_config(&Words::try_parse_from(words).unwrap().kafka).unwrap()
}

#[test]
fn how_long_a_fetch_may_wait_is_a_setting() {
    assert_eq!(config(&["--kafka-fetch-wait-max-ms", "7"]).get("fetch.wait.max.ms"), Some("7"));
    assert_eq!(config(&[]).get("fetch.wait.max.ms"), None, "each consumer has a default of its own");
}
