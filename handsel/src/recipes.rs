//! What leads to each event: requests to the API, one after another, as clients would send them.
//!
//! In paths and bodies `{product}`, `{order}` and `{account}` stand for ids that are new each time, and `{soon}` for a
//! time ten minutes ahead. The payment of an order has its id.

/// One thing to do.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A POST of JSON.
    Post(&'static str, &'static str),
    /// A PUT of JSON.
    Put(&'static str, &'static str),
    /// A PATCH in the form of RFC 7396.
    Patch(&'static str, &'static str),
    /// A DELETE.
    Delete(&'static str),
    /// Asks again and again until the answer holds this.
    Await(&'static str, &'static str),
}

use Step::{Await, Delete, Patch, Post, Put};

const REGISTER: &[Step] =
    &[Post("/v1/accounts", r#"{"account":"{account}","name":"Ana Example","email":"{account}@example.org"}"#)];
const RENAME: &[Step] = &[Patch("/v1/accounts/{account}", r#"{"name":"Anna Example"}"#)];
const IMPORT: &[Step] = &[Post(
    "/v1/orders/import",
    r#"{"order":"{order}","customer":"{account}","ordered_on":"1997-01-12","units":1,
        "total":{"amount_minor":1200,"currency":"USD"}}"#,
)];

const DRAFT: &[Step] = &[Post(
    "/v1/products",
    r#"{"product":"{product}","seller":"{account}","title":"Example mug","description":"Made by handsel trigger.",
        "price":{"amount_minor":1200,"currency":"USD"},"categories":["examples"],
        "variants":[{"sku":"EXAMPLE","title":"Example"}]}"#,
)];
const PROPOSE: &[Step] = &[Post("/v1/products/{product}/propose", "")];
const APPROVE: &[Step] = &[Post("/v1/products/{product}/approve", "")];
const REJECT: &[Step] = &[Post("/v1/products/{product}/reject", r#"{"reason":"It is an example."}"#)];
const UNLIST: &[Step] = &[Post("/v1/products/{product}/unlist", "")];
const PUBLISH: &[Step] = &[Post("/v1/products/{product}/publish", "")];
const ARCHIVE: &[Step] = &[Post("/v1/products/{product}/archive", "")];
const LEASE: &[Step] = &[Put("/v1/products/{product}/lease", r#"{"until":"{soon}"}"#)];
const RELEASE_LEASE: &[Step] = &[Delete("/v1/products/{product}/lease")];
const RETITLE: &[Step] = &[Patch("/v1/products/{product}", r#"{"title":"Example cup"}"#)];
const DESCRIBE: &[Step] = &[Patch("/v1/products/{product}", r#"{"description":"Changed by handsel trigger."}"#)];
const REPRICE: &[Step] = &[Patch("/v1/products/{product}", r#"{"price":{"amount_minor":1300,"currency":"USD"}}"#)];
const RECATEGORIZE: &[Step] = &[Patch("/v1/products/{product}", r#"{"categories":["examples","cups"]}"#)];
const ILLUSTRATE: &[Step] = &[Patch("/v1/products/{product}", r#"{"media":"https://example.org/mug.jpg"}"#)];
const RECEIVE: &[Step] = &[Post("/v1/products/{product}/stock/EXAMPLE/receive", r#"{"quantity":5}"#)];
const ADJUST: &[Step] =
    &[Post("/v1/products/{product}/stock/EXAMPLE/adjust", r#"{"change":-1,"reason":"It is an example."}"#)];

/// An order of so many examples, paid by this method.
macro_rules! place {
    ($method:literal, $quantity:literal) => {
        &[Post(
            "/v1/orders",
            concat!(
                r#"{"order":"{order}","customer":"{account}","payment_method":""#,
                $method,
                r#"","lines":[{"product":"{product}","sku":"EXAMPLE","quantity":"#,
                $quantity,
                "}]}"
            ),
        )]
    };
}

const PLACE: &[Step] = place!("pm_sim_ok", 1);
const PLACE_TOO_MUCH: &[Step] = place!("pm_sim_ok", 50);
const PLACE_DECLINED: &[Step] = place!("pm_sim_declined", 1);
const PLACE_UNANSWERED: &[Step] = place!("pm_sim_timeout_after", 1);
const PLACE_UNCONFIRMED: &[Step] = place!("pm_sim_action_required", 1);
const CONFIRMED: &[Step] = &[Await("/v1/orders/{order}", r#""state":"confirmed""#)];
const REQUIRES_ACTION: &[Step] = &[Await("/v1/payments/{order}", r#""state":"requires_action""#)];
const CAPTURED: &[Step] = &[Await("/v1/payments/{order}", r#""state":"captured""#)];
const SHIP: &[Step] = &[Post("/v1/orders/{order}/shipments", "{}")];
const DELIVER: &[Step] = &[Post("/v1/orders/{order}/deliver", "")];
const COMPLETE: &[Step] = &[Post("/v1/orders/{order}/complete", "")];
const CANCEL: &[Step] = &[Post("/v1/orders/{order}/cancel", r#"{"reason":"by_customer"}"#)];
const REFUND: &[Step] = &[Post("/v1/payments/{order}/refunds", "{}")];

/// A product is drafted, put on sale, and there are pieces of it.
const ON_SALE: [&[Step]; 4] = [DRAFT, PROPOSE, APPROVE, RECEIVE];

/// What leads to an event, part by part.
type Recipe = Vec<&'static [Step]>;

fn on_sale(then: &[&'static [Step]]) -> Recipe {
    [ON_SALE.as_slice(), then].concat()
}

/// How an event is brought about, by its dotted name; `None` if no request leads to it for certain.
#[must_use]
pub fn recipe(event: &str) -> Option<Recipe> {
    Some(match event {
        "identity.account-registered" => vec![REGISTER],
        "identity.account-renamed" => vec![REGISTER, RENAME],
        "orders.order-imported" => vec![IMPORT],
        "orders.order-placed" | "orders.order-reserved" | "orders.order-confirmed" => on_sale(&[PLACE]),
        "orders.order-shipped" => on_sale(&[PLACE, CONFIRMED, SHIP]),
        "orders.order-delivered" => on_sale(&[PLACE, CONFIRMED, SHIP, DELIVER]),
        "orders.order-completed" => on_sale(&[PLACE, CONFIRMED, SHIP, DELIVER, COMPLETE]),
        "orders.order-cancelled" => on_sale(&[PLACE, CONFIRMED, CANCEL]),
        "payments.payment-authorization-requested" | "payments.payment-authorized" => on_sale(&[PLACE]),
        "payments.payment-capture-requested" | "payments.payment-captured" => on_sale(&[PLACE, CONFIRMED, SHIP]),
        "payments.payment-refund-requested" | "payments.payment-refunded" => {
            on_sale(&[PLACE, CONFIRMED, SHIP, CAPTURED, REFUND])
        }
        "payments.payment-void-requested" | "payments.payment-voided" => on_sale(&[PLACE, CONFIRMED, CANCEL]),
        "payments.payment-operation-failed" => on_sale(&[PLACE_DECLINED]),
        "payments.payment-operation-unknown" => on_sale(&[PLACE_UNANSWERED]),
        "payments.payment-operation-pending" => on_sale(&[PLACE_UNCONFIRMED]),
        "payments.payment-void-deferred" => on_sale(&[PLACE_UNCONFIRMED, REQUIRES_ACTION, CANCEL]),
        "products.product-drafted" => vec![DRAFT],
        "products.product-proposed" => vec![DRAFT, PROPOSE],
        "products.product-approved" => vec![DRAFT, PROPOSE, APPROVE],
        "products.product-rejected" => vec![DRAFT, PROPOSE, REJECT],
        "products.product-unlisted" => vec![DRAFT, PROPOSE, APPROVE, UNLIST],
        "products.product-relisted" => vec![DRAFT, PROPOSE, APPROVE, UNLIST, PUBLISH],
        "products.product-archived" => vec![DRAFT, ARCHIVE],
        "products.product-lease-taken" => vec![DRAFT, LEASE],
        "products.product-lease-released" => vec![DRAFT, LEASE, RELEASE_LEASE],
        "products.product-retitled" => vec![DRAFT, RETITLE],
        "products.product-described" => vec![DRAFT, DESCRIBE],
        "products.product-repriced" => vec![DRAFT, REPRICE],
        "products.product-recategorized" => vec![DRAFT, RECATEGORIZE],
        "products.product-illustrated" => vec![DRAFT, ILLUSTRATE],
        "products.stock-received" => on_sale(&[]),
        "products.stock-adjusted" => on_sale(&[ADJUST]),
        "products.stock-reserved" | "products.reservation-made" => on_sale(&[PLACE]),
        "products.stock-committed" | "products.reservation-committed" => on_sale(&[PLACE, CONFIRMED, SHIP]),
        "products.stock-released" | "products.reservation-released" => on_sale(&[PLACE, CONFIRMED, CANCEL]),
        "products.reservation-declined" => on_sale(&[PLACE_TOO_MUCH]),
        _ => return None,
    })
}
