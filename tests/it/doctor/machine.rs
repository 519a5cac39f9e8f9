//! Causes that lie on the machine: ports, the data folder, the disk.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use platform::data_dir::DataDir;
use tests::{Program, database};

use super::{EXE, ask, on};

#[tokio::test]
async fn a_port_that_somebody_else_has_is_named_with_its_owner() {
    let database = database().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (program, me) = (on(&database), format!("process {}", std::process::id()));
    for (code, setting) in [
        ("ports.api-in-use", "--port"),
        ("ports.admin-in-use", "--admin-port"),
        ("ports.broker-in-use", "--broker-port"),
        ("ports.search-in-use", "--search-port"),
    ] {
        let finished = program.call(&["doctor", "--format", "json", setting, &port]).await;
        let findings: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        let found = findings["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code);
        let found = found.unwrap_or_else(|| panic!("{code}: {findings:#}"));
        assert!(found["seen"].as_str().unwrap().contains(&me), "{found}");
        assert!(found["next"].as_str().unwrap().contains(setting), "{found}");
    }
}

#[tokio::test]
async fn a_data_folder_that_is_not_there_is_named_and_not_made() {
    let program = Program::new(EXE, &[], &[]);
    let nowhere = program.folder().join("nowhere");
    let said = ask(&program, &["--data-dir", nowhere.to_str().unwrap()]).await;
    assert!(said.names("folder.missing").contains("nowhere"));
    assert!(said.not_looked_at("chain") && !nowhere.exists());
}

#[tokio::test]
async fn a_data_folder_of_somebody_else_that_cannot_be_written_is_named() {
    let database = database().await;
    let program = on(&database).as_ordinary_user();
    let said = ask(&program, &["--data-dir", "/usr"]).await;
    assert!(said.names("folder.other-owner").contains("belongs to user 0"));
    assert!(said.names("folder.not-writable").contains("/usr"));
}

#[tokio::test]
async fn a_secret_that_others_may_read_is_named_and_left_as_it_is() {
    let database = database().await;
    let program = on(&database);
    let key = program.folder().join("master.key");
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(ask(&program, &[]).await.names("folder.secret-too-open").contains("mode 644"));
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o644);
}

#[tokio::test]
async fn a_master_key_that_is_none_is_named() {
    let database = database().await;
    let program = on(&database);
    let key = program.folder().join("master.key");
    std::fs::write(&key, "swordfish").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = ask(&program, &[]).await;
    assert!(said.names("folder.master-key-unreadable").contains("32 bytes"));
    assert!(said.not_looked_at("keys"));
}

#[tokio::test]
async fn a_process_that_holds_the_folder_and_says_nothing_is_named() {
    let database = database().await;
    let program = on(&database);
    let _held = DataDir::open(program.folder()).unwrap();
    let said = ask(&program, &[]).await;
    assert!(said.names("folder.in-use").contains(&format!("process {}", std::process::id())));
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_named_with_what_is_left() {
    let database = database().await;
    let said = ask(&on(&database), &["--disk-free-min-mb", "1000000000000"]).await;
    assert!(said.names("disk.nearly-full").contains("MB are free where the data folder lies"));
    let whose = said.seen.to_string();
    assert!(whose.contains("where Postgres lies"), "the embedded server of the tests is on this machine: {whose}");
}
