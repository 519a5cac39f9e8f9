//! A payment provider for laptops and tests that behaves like one outside: it keeps books, and answers get lost.
//!
//! Whatever it was asked stands in Postgres, in a schema of its own, before it answers. So the same operation asked for
//! again is answered the same, and no money moves twice, also after the whole process was killed in between.
//! `tokens.rs` says what the method tokens do.

mod books;
mod tokens;

use async_trait::async_trait;
use event_schemas::ids::{OperationId, PaymentId};
use platform::postgres::{NotMigrated, migrate_schema};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection as _, Executor as _, PgPool};

use super::{Answer, NoAnswer, PaymentProvider, Request};
use books::{Books, Entry, State};
use tokens::{ACTION_REQUIRED, Becomes, Heard, Token};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations-sim-payments");

/// How the simulator behaves, besides what the tokens say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatorSettings {
    /// How long `pm_sim_late` takes, in milliseconds.
    pub late_ms: u32,
    /// Where payers confirm what `pm_sim_action_required` waits for: the address of this instance, without a path.
    pub public_url: String,
}

/// The simulated provider. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Simulator {
    pool: PgPool,
    settings: SimulatorSettings,
}

/// What came of a payer's confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The operation is done, now or since before.
    Confirmed,
    /// It waits for nobody.
    NotAwaited,
    /// The provider knows of no such operation of this payment.
    NotFound,
}

/// Why the simulator could not be made ready, or could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorFailed {
    /// Its tables were made by a newer version of this program.
    #[error("the payment simulator was migrated by a newer version ({0}); run that version or a newer one")]
    Newer(i64),
    /// A migration was refused.
    #[error("migrating the schema `sim_payments`")]
    Refused(#[source] MigrateError),
    /// Postgres refused or is away.
    #[error("the database of the payment simulator")]
    Database(#[from] sqlx::Error),
}

impl From<NotMigrated> for SimulatorFailed {
    fn from(reason: NotMigrated) -> Self {
        match reason {
            NotMigrated::Newer(version) => Self::Newer(version),
            NotMigrated::Refused(error) => Self::Refused(error),
            NotMigrated::Database(error) => Self::Database(error),
        }
    }
}

impl Default for SimulatorSettings {
    fn default() -> Self {
        Self { late_ms: 2_000, public_url: "http://127.0.0.1:8420".to_owned() }
    }
}

impl Simulator {
    /// Makes or updates the schema `sim_payments`.
    ///
    /// # Errors
    /// [`SimulatorFailed`] says what is wrong.
    pub async fn migrate(pool: &PgPool) -> Result<(), SimulatorFailed> {
        let connection = migrate_schema(pool, "sim_payments", &MIGRATIONS).await?;
        connection.close().await?;
        Ok(())
    }

    /// Lets a role keep the books without owning them.
    ///
    /// # Errors
    /// [`SimulatorFailed`] says what is wrong, such as that there is no such role.
    pub async fn grant(pool: &PgPool, role: &str) -> Result<(), SimulatorFailed> {
        let role = role.replace('"', "\"\"");
        let books = format!(
            "grant usage on schema sim_payments to \"{role}\";
             grant select, insert, update on sim_payments.operations to \"{role}\";
             grant select, insert on sim_payments.journal to \"{role}\""
        );
        pool.execute(books.as_str()).await?;
        Ok(())
    }

    /// Opens it, in a database that [`Simulator::migrate`] prepared.
    #[must_use]
    pub fn new(pool: PgPool, settings: SimulatorSettings) -> Self {
        Self { pool, settings }
    }

    /// The payer does what `pm_sim_action_required` waits for. Doing it again changes nothing.
    ///
    /// # Errors
    /// If Postgres cannot be reached or refuses.
    pub async fn confirm(&self, payment: PaymentId, operation: OperationId) -> Result<Confirmation, SimulatorFailed> {
        let mut books = Books::open(&self.pool).await?;
        let known = |entry: &Entry| entry.request.payment == payment && entry.state != State::Unseen;
        let Some(entry) = books.find(operation).await?.filter(known) else { return Ok(Confirmation::NotFound) };
        // The code stays when it is done, so that a repeat is known.
        if entry.code.as_deref() != Some(ACTION_REQUIRED) {
            return Ok(Confirmation::NotAwaited);
        }
        books.confirm(operation).await?;
        let entry = Entry { confirmed: true, ..entry };
        self.settle(&mut books, entry).await?;
        books.close().await?;
        Ok(Confirmation::Confirmed)
    }

    /// A pending operation is done when its time has come.
    async fn settle(&self, books: &mut Books, mut entry: Entry) -> sqlx::Result<Entry> {
        let token = Token::of(&entry.request.method);
        let through = token.is_through(entry.waited_ms, i64::from(self.settings.late_ms), entry.confirmed);
        if entry.state == State::Pending && through {
            books.succeed(&entry.request).await?;
            entry.state = State::Succeeded;
        }
        Ok(entry)
    }

    async fn decide(&self, books: &mut Books, request: &Request, mut entry: Entry) -> sqlx::Result<Entry> {
        let token = Token::of(&request.method);
        let refused = books.against(request).await?;
        match token.makes(request.kind, entry.calls, refused) {
            Becomes::Unseen => {}
            Becomes::Pending(why) => {
                let url = (why == ACTION_REQUIRED).then(|| self.confirm_url(request));
                books.wait(request.operation, why, url.as_deref()).await?;
                (entry.state, entry.code, entry.action_url) = (State::Pending, Some(why.to_owned()), url);
                entry.waited_ms = 0;
            }
            Becomes::Succeeded => {
                books.succeed(request).await?;
                entry.state = State::Succeeded;
            }
            Becomes::Failed(code, reason) => {
                books.fail(request.operation, code, reason).await?;
                (entry.state, entry.code, entry.reason) =
                    (State::Failed, Some(code.to_owned()), Some(reason.to_owned()));
            }
        }
        Ok(entry)
    }

    async fn perform_once(&self, books: &mut Books, request: &Request) -> sqlx::Result<Result<Answer, NoAnswer>> {
        let entry = books.called(request).await?;
        if entry.request != *request {
            return Ok(Ok(Answer::Failed {
                code: "idempotency_key_reused".to_owned(),
                reason: "This operation was asked for before with other content.".to_owned(),
            }));
        }
        let token = Token::of(&request.method);
        let entry = match entry.state {
            State::Unseen => self.decide(books, request, entry).await?,
            State::Pending | State::Succeeded | State::Failed => self.settle(books, entry).await?,
        };
        Ok(match token.hears(entry.calls) {
            Heard::Answer => Ok(entry.answer()),
            Heard::Nothing => Err(NoAnswer::TimedOut),
            Heard::NoConnection => Err(NoAnswer::Unavailable),
        })
    }

    /// Where a payer confirms.
    fn confirm_url(&self, request: &Request) -> String {
        let (payment, operation) = (request.payment, request.operation);
        let base = self.settings.public_url.trim_end_matches('/');
        format!("{base}/v1/payments/{payment}/operations/{operation}/confirm")
    }
}

#[async_trait]
impl PaymentProvider for Simulator {
    async fn perform(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let mut books = Books::open(&self.pool).await.map_err(|error| away(&error))?;
        // From here on, what went wrong may have gone wrong after the commit.
        let came = self.perform_once(&mut books, request).await.map_err(|error| lost(&error))?;
        books.close().await.map_err(|error| lost(&error))?;
        came
    }

    async fn look_up(&self, operation: OperationId) -> Result<Option<Answer>, NoAnswer> {
        let mut books = Books::open(&self.pool).await.map_err(|error| away(&error))?;
        let Some(entry) = books.find(operation).await.map_err(|error| lost(&error))? else { return Ok(None) };
        if Token::of(&entry.request.method) == Token::Down {
            return Err(NoAnswer::Unavailable);
        }
        if entry.state == State::Unseen {
            return Ok(None);
        }
        let entry = self.settle(&mut books, entry).await.map_err(|error| lost(&error))?;
        books.close().await.map_err(|error| lost(&error))?;
        Ok(Some(entry.answer()))
    }
}

fn away(error: &sqlx::Error) -> NoAnswer {
    tracing::warn!(%error, "The payment simulator cannot reach its database");
    NoAnswer::Unavailable
}

fn lost(error: &sqlx::Error) -> NoAnswer {
    tracing::warn!(%error, "The payment simulator lost its database while it was asked");
    NoAnswer::TimedOut
}
