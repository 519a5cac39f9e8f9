//! What products and their stock may refuse, explained.

use platform::problem::Explanation;

/// What a product or the stock of a variant may refuse.
pub(crate) const PROBLEMS: &[Explanation] = &[
    Explanation::new("product-archived", 409, "The product is archived, which is final. Draft another one."),
    Explanation::new("product-categories-invalid", 422, "Too many categories, one of them twice, or one of no form."),
    Explanation::new("product-description-invalid", 422, "The description is too long or not printable."),
    Explanation::new("product-exists", 409, "A product with this id and other content was drafted before."),
    Explanation::new("product-in-review", 409, "The product is proposed. Change it after it was approved or rejected."),
    Explanation::new("product-lease-out-of-range", 422, "The lease would end in the past, or too far ahead."),
    Explanation::new(
        "product-leased",
        423,
        "Somebody else edits the product. The detail says who and until when; wait, or ask them to release the lease.",
    ),
    Explanation::new("product-media-invalid", 422, "The address of the picture is none of the web, or too long."),
    Explanation::new("product-not-a-draft", 409, "The product was approved before, so it cannot be proposed."),
    Explanation::new("product-not-approved", 409, "The product was never approved. Propose it, and have it approved."),
    Explanation::new(
        "product-not-found",
        404,
        "There is no such product, or not yet: send the Consistency-Token of its draft.",
    ),
    Explanation::new(
        "product-not-for-sale",
        409,
        "The product is not on sale. Order something else, or wait until it is published.",
    ),
    Explanation::new("product-not-proposed", 409, "The product is not proposed, so there is nothing to decide on."),
    Explanation::new(
        "product-price-changed",
        409,
        "The product costs something else than the order says. The detail has the price; order again if it is fine.",
    ),
    Explanation::new("product-price-out-of-range", 422, "The price is negative or absurd."),
    Explanation::new("product-reason-invalid", 422, "The reason is empty, too long or not printable."),
    Explanation::new("product-title-invalid", 422, "The title is empty, too long or not printable."),
    Explanation::new(
        "product-variant-not-found",
        404,
        "The product has no variant with this sku. Look at its variants.",
    ),
    Explanation::new(
        "product-variants-invalid",
        422,
        "There are no variants or too many, or one has no fit title, or a sku is there twice.",
    ),
    Explanation::new("reservation-committed", 409, "The reservation of the order was committed: its pieces are sold."),
    Explanation::new("reservation-declined", 409, "The reservation of the order was declined, and stays so."),
    Explanation::new("reservation-exists", 409, "A reservation with this id and other content was made before."),
    Explanation::new("reservation-lines-invalid", 422, "A reservation has 1 to 100 lines, each of another variant."),
    Explanation::new("reservation-not-found", 404, "Nothing was reserved for this order."),
    Explanation::new("reservation-released", 409, "The reservation of the order was released: its pieces are free."),
    Explanation::new("stock-below-reserved", 409, "More pieces are reserved than would be there. Release some first."),
    Explanation::new("stock-change-out-of-range", 422, "The change is zero or absurd."),
    Explanation::new("stock-full", 409, "More pieces would be on hand than can be counted sensibly."),
    Explanation::new(
        "stock-not-enough",
        409,
        "Fewer pieces are available than were asked for. Reserve fewer, or wait.",
    ),
    Explanation::new(
        "stock-not-found",
        404,
        "Nothing of this variant was ever received. Receive some first, or look whether product and sku are right.",
    ),
    Explanation::new("stock-quantity-out-of-range", 422, "The quantity is zero, negative or absurd."),
    Explanation::new("stock-reason-invalid", 422, "The reason is empty, too long or not printable."),
    Explanation::new("stock-reservation-committed", 409, "The reservation was committed before: its pieces are sold."),
    Explanation::new("stock-reservation-end-out-of-range", 422, "The reservation would end in the past, or too late."),
    Explanation::new("stock-reservation-exists", 409, "A reservation with this id and other content is open."),
    Explanation::new("stock-reservation-finished", 409, "The reservation has acted, and acts once. Take a new id."),
    Explanation::new("stock-reservation-not-found", 404, "No such reservation is open, or was finished lately."),
    Explanation::new("stock-reservation-released", 409, "The reservation was released before. Reserve under a new id."),
    Explanation::new("stock-reservations-too-many", 409, "Too many reservations of the variant are open. Finish some."),
    Explanation::new("variant-not-found", 404, "The product has no variant with this sku."),
];
