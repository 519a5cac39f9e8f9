//! What orders may refuse, explained.

use platform::problem::Explanation;

/// What an order may refuse.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new("order-cancelled", 409, "The order is cancelled, which is final. Place another one."),
    Explanation::new(
        "order-day-out-of-range",
        422,
        "The day of the order lies outside of the years that are possible.",
    ),
    Explanation::new("order-exists", 409, "There is an order with this id and other content. Take a new id."),
    Explanation::new("order-imported", 409, "The order was completed elsewhere and imported: it is only known here."),
    Explanation::new("order-lines-invalid", 422, "An order has 1 to 100 lines, and each variant one price."),
    Explanation::new(
        "order-not-confirmed",
        409,
        "The order is not paid yet. Look at its state; it can be sent as soon as it is confirmed.",
    ),
    Explanation::new("order-not-delivered", 409, "The order was not delivered yet. Say that it was, or wait."),
    Explanation::new("order-not-shipped", 409, "Not everything was sent. Ship the rest first."),
    Explanation::new("order-not-that-many", 409, "More pieces than are left to be sent, or of something not ordered."),
    Explanation::new("order-nothing-left", 409, "Everything was sent."),
    Explanation::new("order-payment-method-invalid", 422, "The payment method is no token of a payment provider."),
    Explanation::new("order-quantity-out-of-range", 422, "The quantity of a line is zero, negative or absurd."),
    Explanation::new("order-several-currencies", 422, "The lines have several currencies. Place an order for each."),
    Explanation::new("order-several-sellers", 422, "The products are of several sellers. Place an order for each."),
    Explanation::new(
        "order-shipment-exists",
        409,
        "There is a shipment with this id and other content. Take a new id.",
    ),
    Explanation::new("order-shipments-too-many", 409, "The order was sent in as many shipments as there may be."),
    Explanation::new("order-shipped", 409, "Pieces of the order were sent, so it cannot be cancelled any more."),
    Explanation::new("order-total-out-of-range", 422, "The total is negative or absurd."),
    Explanation::new("order-tracking-invalid", 422, "The name of the parcel is empty, too long or not printable."),
    Explanation::new("order-units-out-of-range", 422, "The number of units is zero or absurd."),
];
