//! The names that CloudEvents headers give to our events.

use crate::Context;

/// `com.handsel.orders.order-imported.v2`
#[must_use]
pub fn ce_type(context: Context, event_type: &str, event_version: &str) -> String {
    format!("com.handsel.{context}.{}.v{event_version}", kebab(event_type))
}

/// `orders.order-imported`: how people name an event, whatever its version.
#[must_use]
pub fn dotted_name(context: Context, event_type: &str) -> String {
    format!("{context}.{}", kebab(event_type))
}

/// `/services/orders`
#[must_use]
pub fn ce_source(context: Context) -> String {
    format!("/services/{context}")
}

/// `urn:handsel:schemas:orders.order-imported:2`: absolute, as CloudEvents has it, and the same wherever the record is
/// published.
#[must_use]
pub fn ce_dataschema(context: Context, event_type: &str, event_version: &str) -> String {
    format!("urn:handsel:schemas:{context}.{}:{event_version}", kebab(event_type))
}

/// `/schemas/orders.order-imported/2.json`: where an instance serves it.
#[must_use]
pub fn schema_path(context: Context, event_type: &str, event_version: &str) -> String {
    format!("/schemas/{context}.{}/{event_version}.json", kebab(event_type))
}

/// `OrderImported` becomes `order-imported`.
pub(crate) fn kebab(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests;
