//! The database files: a folder of Postgres' own below the data folder, with a random password beside them.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sqlx::{Connection, PgConnection};

use super::binaries::Binaries;
use super::owner::{self, Owner, command};
use super::{EmbeddedError, PostgresOptions};
use crate::settings::Secret;

const USER: &str = "handsel";
const DATABASE: &str = "handsel";
const PASSWORD_BYTES: usize = 24;

/// An initialised cluster that is not running.
#[derive(Debug)]
pub(super) struct Cluster {
    /// `postgres` below the data folder; it belongs to the owner.
    pub(super) home: PathBuf,
    pub(super) owner: Option<Owner>,
    password: String,
}

impl Cluster {
    /// Makes the cluster if there is none, and stops a server that a killed process left behind.
    pub(super) async fn prepare(
        options: &PostgresOptions,
        binaries: &Binaries,
        owner: Option<Owner>,
    ) -> Result<Self, EmbeddedError> {
        let data_dir = options.data_dir.canonicalize();
        let home = data_dir.map_err(EmbeddedError::files("open", &options.data_dir))?.join("postgres");
        fs::create_dir_all(&home).map_err(EmbeddedError::files("make", &home))?;
        fs::set_permissions(&home, Permissions::from_mode(0o700)).map_err(EmbeddedError::files("close", &home))?;
        owner::give(&home, owner)?;
        let password = password(&home, owner)?;
        let cluster = Cluster { home, owner, password };
        if cluster.data().join("PG_VERSION").exists() {
            cluster.check_version(binaries)?;
            cluster.stop_orphan(binaries).await?;
        } else {
            cluster.initialise(options, binaries).await?;
        }
        Ok(cluster)
    }

    /// The folder that Postgres calls PGDATA.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// How to connect to our database.
    pub(super) fn url(&self, port: u16) -> Secret {
        self.url_of(port, DATABASE)
    }

    /// Makes our database in a new cluster.
    pub(super) async fn make_database(&self, port: u16) -> Result<(), EmbeddedError> {
        let mut connection = PgConnection::connect(self.url_of(port, "postgres").expose()).await?;
        let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
        if !exists {
            sqlx::query(&format!("create database {DATABASE}")).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }

    fn url_of(&self, port: u16, database: &str) -> Secret {
        Secret::new(format!("postgres://{USER}:{}@127.0.0.1:{port}/{database}?sslmode=disable", self.password))
    }

    fn check_version(&self, binaries: &Binaries) -> Result<(), EmbeddedError> {
        let path = self.data().join("PG_VERSION");
        let found = fs::read_to_string(&path).map_err(EmbeddedError::files("read", &path))?.trim().to_owned();
        if found == binaries.major().to_string() {
            return Ok(());
        }
        Err(EmbeddedError::OtherVersion { data: self.data(), found, binaries: binaries.version.clone() })
    }

    /// Nobody else uses the folder, which is locked: a server running in it lost its parent to `kill -9`.
    async fn stop_orphan(&self, binaries: &Binaries) -> Result<(), EmbeddedError> {
        let control = |verb: &'static str| {
            let mut command = command(&binaries.program("pg_ctl"), self.owner);
            command.arg(verb).arg("-D").arg(self.data());
            command
        };
        let status = control("status").output().await;
        if !status.map_err(EmbeddedError::files("run", binaries.program("pg_ctl")))?.status.success() {
            return Ok(());
        }
        tracing::warn!("Stopping a Postgres that an earlier process left running in {}", self.home.display());
        let mut stop = control("stop");
        run("pg_ctl stop", stop.args(["-w", "-m", "fast", "-t", "30"])).await
    }

    /// Initialises under another name and renames when done, so that an interrupted first start begins again.
    async fn initialise(&self, options: &PostgresOptions, binaries: &Binaries) -> Result<(), EmbeddedError> {
        let fresh = self.home.join("data.new");
        match fs::remove_dir_all(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(EmbeddedError::files("remove", &fresh)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let mut initdb = command(&binaries.program("initdb"), self.owner);
        initdb
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"])
            .args(["--data-checksums", "--username", USER])
            .arg("--pwfile")
            .arg(password_file(&self.home))
            .arg("-D")
            .arg(&fresh);
        if !options.durable {
            initdb.arg("--no-sync");
        }
        run("initdb", &mut initdb).await?;
        fs::rename(&fresh, self.data()).map_err(EmbeddedError::files("rename to", self.data()))
    }
}

fn password_file(home: &Path) -> PathBuf {
    home.join("password")
}

/// The password of this cluster, made at the first start; readable by Postgres' user, whose data it guards.
fn password(home: &Path, owner: Option<Owner>) -> Result<String, EmbeddedError> {
    let path = password_file(home);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(EmbeddedError::files("read", &path)(error));
        }
        Ok(_) | Err(_) => {}
    }
    let bytes: [u8; PASSWORD_BYTES] = rand::random();
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
        writeln!(file, "{password}")?;
        file.sync_all()
    };
    write().map_err(EmbeddedError::files("write", &path))?;
    owner::give(&path, owner)?;
    Ok(password)
}

/// Runs a program to its end; its last words are the reason when it fails.
async fn run(program: &'static str, command: &mut tokio::process::Command) -> Result<(), EmbeddedError> {
    let failed = |reason: String| EmbeddedError::Failed { program, reason };
    let ran = command.output().await.map_err(|error| failed(error.to_string()))?;
    if ran.status.success() {
        return Ok(());
    }
    let words = [ran.stderr, ran.stdout].concat();
    let words = String::from_utf8_lossy(&words);
    Err(failed(words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()))
}
