//! The JSON Schemas of all events, written from the types.

use anyhow::bail;
use event_schemas::published::{drift, schemas_folder, write_schemas};

/// Writes the schemas and names what changed; with `--check` it changes nothing and fails if something differs.
pub(crate) fn run(rest: &[String]) -> anyhow::Result<()> {
    let folder = schemas_folder();
    match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => write_schemas(&folder)?.iter().for_each(|change| eprintln!("{change}: written")),
        ["--check"] => {
            let differences = drift(&folder)?;
            if !differences.is_empty() {
                bail!("run `cargo xtask schemas` and commit what it writes:\n  {}", differences.join("\n  "));
            }
        }
        words => bail!("it takes nothing or --check, not `{}`", words.join(" ")),
    }
    Ok(())
}
