//! The list of read models: one line each.

use crate::audit::audit_log::AuditLog;
use crate::identity::accounts::Accounts;
use crate::orders::customer_orders::CustomerOrders;
use crate::orders::orders::Orders;
use crate::orders::sales_by_day::SalesByDay;
use crate::orders::sales_summary::SalesSummary;
use crate::payments::payment_operations::PaymentOperations;
use crate::payments::payments::Payments;
use crate::products::products::Products;
use crate::products::stock::Stock;
use crate::projection::ReadModel;

/// Every read model there is.
pub const READ_MODELS: &[ReadModel] = &[
    ReadModel::of::<Accounts>(),
    ReadModel::of::<AuditLog>(),
    ReadModel::of::<CustomerOrders>(),
    ReadModel::of::<Orders>(),
    ReadModel::of::<PaymentOperations>(),
    ReadModel::of::<Payments>(),
    ReadModel::of::<Products>(),
    ReadModel::of::<SalesByDay>(),
    ReadModel::of::<SalesSummary>(),
    ReadModel::of::<Stock>(),
];

/// There is no read model of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no read model `{0}`; there are: {known}", known = names())]
pub struct UnknownReadModel(pub String);

/// Finds a read model by its name.
///
/// # Errors
/// [`UnknownReadModel`] lists those there are.
pub fn find(name: &str) -> Result<&'static ReadModel, UnknownReadModel> {
    READ_MODELS.iter().find(|model| model.name == name).ok_or_else(|| UnknownReadModel(name.to_owned()))
}

fn names() -> String {
    READ_MODELS.iter().map(|model| model.name).collect::<Vec<_>>().join(", ")
}
