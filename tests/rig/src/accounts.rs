//! What scenarios ask for themselves, beside the load.

use serde_json::json;

use crate::world::World;

/// Registers an account and gives its id.
pub(crate) async fn register(world: &mut World<'_>, url: &str, name: &str) -> anyhow::Result<String> {
    let account = world.dice.uuid().to_string();
    let body = json!({"account": account, "name": name, "email": "somebody@example.org"});
    let made = world.http.post(format!("{url}/v1/accounts")).json(&body).send().await?;
    anyhow::ensure!(made.status().is_success(), "no account: {}", made.status());
    Ok(account)
}

/// Renames it, made for a version; gives the status of the answer.
pub(crate) async fn rename(
    world: &World<'_>,
    url: &str,
    account: &str,
    version: i64,
    name: &str,
) -> reqwest::Result<u16> {
    let request = world
        .http
        .patch(format!("{url}/v1/accounts/{account}"))
        .header("content-type", "application/merge-patch+json")
        .header("if-match", format!("\"{version}\""))
        .body(json!({"name": name}).to_string());
    Ok(request.send().await?.status().as_u16())
}
