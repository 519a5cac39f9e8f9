//! The ids of every context, in one alphabetical list.

envelope::id!(
    /// Names an account: a person or a business.
    AccountId
);
envelope::id!(
    /// Names one operation of a payment, also to the provider: the same operation is never done twice.
    OperationId
);
envelope::id!(
    /// Names an order.
    OrderId
);
envelope::id!(
    /// Names a payment.
    PaymentId
);
envelope::id!(
    /// Names a product.
    ProductId
);
envelope::id!(
    /// Names a number of pieces that are kept for somebody.
    ReservationId
);
envelope::id!(
    /// Names a shipment of an order.
    ShipmentId
);
