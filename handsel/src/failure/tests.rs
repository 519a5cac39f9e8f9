//! One line, whatever went wrong.

use anyhow::Context as _;

use super::*;

#[test]
fn causes_stand_on_one_line_and_nothing_stands_twice() {
    let inner: anyhow::Result<()> = Err(anyhow::anyhow!("no\nroute"));
    let middle = inner.context("cannot reach it: no\nroute").context("starting");
    assert_eq!(one_line(&middle.unwrap_err()), "starting: cannot reach it: no route");
}

#[test]
fn a_port_in_use_says_which_setting_chooses_another() {
    let address = "127.0.0.1:8420".parse().unwrap();
    let line = cannot_listen(address, "--port", &ErrorKind::AddrInUse.into()).to_string();
    assert!(line.contains("127.0.0.1:8420") && line.contains("--port"), "{line}");
}
