//! A customer of a shop is an account here.

use domain::identity::{AccountError, is_reference};
use serde_json::json;

use super::groups::{Bad, Group};
use super::plan::{Counts, Shop, Thing, at, needed};
use crate::client::{Request, Step};

pub(super) fn thing(shop: &Shop, group: &Group) -> Result<Thing, Bad> {
    let account = shop.account(&group.id);
    if let [_, (line, _), ..] = group.rows.as_slice() {
        return Err(Bad { line: *line, why: format!("`{}` has more than one row", group.id) });
    }
    let (line, name) = needed(shop, group, "name")?;
    let (_, email) = needed(shop, group, "email")?;
    at(line, command_api::identity::check_person(&name, &email))?;
    let mut body = json!({"account": account, "name": name, "email": email});
    if let Some((_, reference)) = group.first(&shop.mapping, "reference") {
        if !is_reference(&reference) {
            return Err(Bad { line, why: AccountError::BadReference.to_string() });
        }
        body["reference"] = json!(reference);
    }
    let steps = vec![Step::Ask(Request::post("/v1/accounts", shop.key(account, "register"), &body))];
    Ok(Thing { steps, body, counts: Counts::default() })
}
