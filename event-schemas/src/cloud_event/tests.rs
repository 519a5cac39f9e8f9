//! The names in headers, as outside readers know them.

use super::*;

#[test]
fn headers_name_context_event_and_version() {
    assert_eq!(ce_type(Context::Orders, "OrderImported", "2"), "com.handsel.orders.order-imported.v2");
    assert_eq!(ce_source(Context::Identity), "/services/identity");
    assert_eq!(ce_dataschema(Context::Orders, "OrderImported", "2"), "urn:handsel:schemas:orders.order-imported:2");
    assert_eq!(schema_path(Context::Orders, "OrderImported", "2"), "/schemas/orders.order-imported/2.json");
}

#[test]
fn topics_carry_the_name_of_their_context() {
    for context in Context::ALL {
        assert_eq!(context.topic(), format!("handsel.{context}.events.v1"));
        assert_eq!(context.name().parse(), Ok(context));
        assert_eq!(serde_json::to_string(&context).unwrap(), format!("\"{context}\""));
    }
    let unknown = "gigs".parse::<Context>().unwrap_err();
    assert_eq!(unknown.to_string(), "there is no context `gigs`; there are: identity, orders, products, payments");
}
