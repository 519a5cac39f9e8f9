//! The ids of every context, in one alphabetical list.

envelope::id!(
    /// Names an account: a person or a business.
    AccountId
);
envelope::id!(
    /// Names an order.
    OrderId
);
