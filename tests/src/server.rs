//! One Postgres server for the whole test process.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use platform::embedded::postgres::{EmbeddedPostgres, PostgresOptions};
use tokio::sync::OnceCell;

const URL: &str = "HANDSEL_TEST_DATABASE_URL";

/// Waits for its standard input to end, which happens with the test process however it ends; then stops the server and
/// removes its files.
const GUARD: &str = r#"
    cat > /dev/null
    pid=$(head -n 1 "$(find "$1" -name postmaster.pid | head -n 1)" 2> /dev/null)
    [ -n "$pid" ] && kill -INT "$pid" && for i in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
    rm -rf "$1"
"#;

/// Either one that was named, or one of our own that is stopped with the process.
enum Server {
    Given(String),
    Own { url: String, _postgres: Box<EmbeddedPostgres>, _guard: ChildStdin },
}

/// The maintenance database of the server.
pub(crate) async fn url() -> &'static str {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| async {
        match std::env::var(URL) {
            Ok(url) => Server::Given(url),
            Err(_) => own().await,
        }
    });
    match server.await {
        Server::Given(url) | Server::Own { url, .. } => url,
    }
}

/// Without fsync: nothing here must survive the machine.
async fn own() -> Server {
    let home = private_folder("postgres");
    let guard = guard(&home);
    let options = PostgresOptions::new(&home).for_tests();
    let postgres = EmbeddedPostgres::start(&options).await.expect("the embedded Postgres starts");
    Server::Own { url: postgres.url().expose().to_owned(), _postgres: Box::new(postgres), _guard: guard }
}

#[expect(clippy::zombie_processes, reason = "it ends after this process, by which it is told to")]
fn guard(home: &Path) -> ChildStdin {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .arg(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C ends the tests, not the one who tidies up after them.
        .process_group(0)
        .spawn()
        .expect("there is a shell");
    guard.stdin.take().expect("standard input was asked for")
}

/// A folder of this process that the server's user may enter. Removed by whoever uses it.
pub(crate) fn private_folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("handsel-test-{name}-{}", uuid::Uuid::new_v4()));
    std::fs::DirBuilder::new().mode(0o711).create(&path).expect("the temporary folder can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711)).expect("it is ours");
    path
}

/// The same server, another database.
pub(crate) async fn url_of(database: &str) -> String {
    let url = url().await;
    let (server, query) = url.split_once('?').map_or((url, None), |(server, query)| (server, Some(query)));
    let (server, _) = server.rsplit_once('/').expect("a Postgres URL ends with the database");
    query.map_or_else(|| format!("{server}/{database}"), |query| format!("{server}/{database}?{query}"))
}
