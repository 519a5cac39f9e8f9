//! The program run by somebody without rights. As root the tests give theirs up; others have none to begin with.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use platform::settings::usual_cache_directory;
use tests::Program;

use super::EXE;

/// A folder that anybody may enter and none but root may write.
struct Closed(PathBuf);

impl Closed {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("handsel-test-closed-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
        Self(path)
    }

    fn below(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const UP: [&str; 7] = ["up", "--port", "0", "--admin-port", "0", "--broker-port", "0"];

#[tokio::test]
async fn up_runs_as_an_ordinary_user() {
    // What the other tests fetched, where it lies: it can be read by all.
    let cache = usual_cache_directory().display().to_string();
    let _fetched = tests::database().await;
    let mut program = Program::new(EXE, &[], &[("HANDSEL_CACHE_DIR", &cache)]).as_ordinary_user();
    program.up().await;
    assert_eq!(program.get("/v1/events").await["data"], serde_json::json!([]));
    let owner = fs::metadata(program.folder()).unwrap().uid();
    assert_ne!(owner, 0, "the test has given its rights up");
    for name in ["master.key", "running.json", "postgres", "postgres/data"] {
        assert_eq!(fs::metadata(program.folder().join(name)).unwrap().uid(), owner, "{name}");
    }
    let said = program.call(&["verify"]).await.ok();
    assert!(said.contains("orders: 0 events"), "{said}");
    assert!(program.terminate().await.success(), "{}", program.logged());
}

#[tokio::test]
async fn a_folder_without_write_permission_is_one_clear_line() {
    let closed = Closed::new();
    let program = Program::new(EXE, &[], &[]).as_ordinary_user();
    let line = program.call(&[&UP[..], &["--data-dir", &closed.below("data")]].concat()).await.failure();
    assert!(line.contains("cannot use the data folder") && line.contains("Permission denied"), "{line}");
    assert!(line.contains("--data-dir"), "{line}");
    let line = program.call(&[&UP[..], &["--cache-dir", &closed.below("cache")]].concat()).await.failure();
    assert!(line.contains(&closed.below("cache")) && line.contains("Permission denied"), "{line}");
}

#[tokio::test]
async fn the_folder_of_another_user_is_one_clear_line() {
    let program = Program::new(EXE, &[], &[]).as_ordinary_user();
    // Root's in any case.
    let line = program.call(&[&UP[..], &["--data-dir", "/usr"]].concat()).await.failure();
    assert!(line.contains("belongs to user 0") && line.contains("--data-dir"), "{line}");
}
