//! Whether every schema is that of this program.

use event_schemas::Context;
use event_store::keys::{KeyRing, KeysError};
use event_store::{Store, StoreError};
use projectors::MigrationFailed;

use super::{NotLooked, Patient, Seen};

enum Stands {
    Right,
    /// There is none, or that of an older program.
    Behind(String),
    Newer(String),
}

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    for context in Context::ALL {
        patient.store_database(context)?;
        let stands = match Store::open(patient.store_config(context)?).await {
            Ok(_) => Stands::Right,
            Err(error @ StoreError::NotMigrated(_)) => Stands::Behind(error.to_string()),
            Err(error @ StoreError::NewerSchema { .. }) => Stands::Newer(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        say(stands, seen);
    }
    let keys = match KeyRing::check_version(patient.keys()?).await {
        Ok(()) => Stands::Right,
        Err(error @ KeysError::NotMigrated) => Stands::Behind(error.to_string()),
        Err(error @ KeysError::NewerSchema(_)) => Stands::Newer(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    say(keys, seen);
    let views = match projectors::check_version(patient.views()?).await {
        Ok(()) => Stands::Right,
        Err(error @ MigrationFailed::NotMigrated) => Stands::Behind(error.to_string()),
        Err(error @ MigrationFailed::Newer(_)) => Stands::Newer(error.to_string()),
        Err(error) => return Err(NotLooked::because(error.to_string())),
    };
    say(views, seen);
    Ok(())
}

fn say(stands: Stands, seen: &mut Seen) {
    match stands {
        Stands::Right => {}
        Stands::Behind(reason) => {
            let why = "roles that run apart do not start; `handsel up` migrates by itself";
            seen.error("schemas.not-migrated", reason, why, "run `handsel migrate` (or `handsel up`) of this version");
        }
        Stands::Newer(reason) => {
            let why = "this program would not understand what a newer one wrote, and does not start";
            seen.error("schemas.newer", reason, why, "run the newer version; there is no way back but a restore");
        }
    }
}
