//! What can be filled from a file: the one list of targets of each kind.

use std::fmt;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is sold; rows of the same id are the variants of one product.
    Products,
    /// Who buys or sells.
    Customers,
    /// What was bought elsewhere; rows of the same id are the lines of one order.
    Orders,
}

/// Something that a column may fill.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As it is written in a map.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What stands between the cells, where several columns fill it.
    pub joint: &'static str,
    /// Whether nothing can be imported without it, or which other ones stand in for it.
    pub need: Need,
}

/// Whether a target must be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// By all means.
    Always,
    /// Unless all of these are, and never together with them.
    Unless(&'static [&'static str]),
    /// It may be left out.
    Never,
}

const fn target(name: &'static str, need: Need, joint: &'static str, about: &'static str) -> Target {
    Target { name, about, joint, need }
}

const PRODUCTS: &[Target] = &[
    target("id", Need::Always, " ", "what the shop calls the product; rows with the same id are its variants"),
    target("seller", Need::Always, " ", "what the shop calls the account that sells it, or a UUID"),
    target("title", Need::Always, " ", "what it is called"),
    target("price", Need::Unless(&["price_minor"]), " ", "what one piece costs, such as 12.50"),
    target("price_minor", Need::Unless(&["price"]), " ", "the same in the smallest unit, such as 1250"),
    target("currency", Need::Always, " ", "ISO 4217, such as EUR"),
    target("description", Need::Never, "\n", "what there is to say about it"),
    target("categories", Need::Never, ",", "under what it is found, separated by commas"),
    target("media", Need::Never, " ", "the address of its picture"),
    target("sku", Need::Never, "-", "names the variant; without it the variants are called 1, 2, …"),
    target("variant", Need::Never, " / ", "what the variant is called"),
    target("stock", Need::Never, " ", "how many pieces of the variant are there"),
    target("state", Need::Never, " ", "published (without it), draft, unlisted or archived; true and false too"),
];

const CUSTOMERS: &[Target] = &[
    target("id", Need::Always, " ", "what the shop calls the customer"),
    target("name", Need::Always, " ", "what the customer is called"),
    target("email", Need::Always, " ", "where the customer gets mail"),
    target("reference", Need::Never, " ", "your own number for the customer, which says nothing about the person"),
];

const ORDERS: &[Target] = &[
    target("id", Need::Always, " ", "what the shop calls the order; rows with the same id are its lines"),
    target("customer", Need::Always, " ", "what the shop calls the customer, or a UUID"),
    target("date", Need::Always, " ", "the day of the purchase"),
    target("units", Need::Always, " ", "how many pieces; of several lines, added up"),
    target("total", Need::Unless(&["total_minor", "price"]), " ", "what was paid for all of it, such as 12.50"),
    target("total_minor", Need::Unless(&["total", "price"]), " ", "the same in the smallest unit, such as 1250"),
    target("price", Need::Unless(&["total", "total_minor"]), " ", "or what one piece of the line cost, times units"),
    target("currency", Need::Always, " ", "ISO 4217, such as EUR"),
];

impl Kind {
    /// What can be filled.
    #[must_use]
    pub const fn targets(self) -> &'static [Target] {
        match self {
            Self::Products => PRODUCTS,
            Self::Customers => CUSTOMERS,
            Self::Orders => ORDERS,
        }
    }

    /// One of them.
    #[must_use]
    pub fn target(self, name: &str) -> Option<&'static Target> {
        self.targets().iter().find(|target| target.name == name)
    }

    /// What one of the things is called.
    #[must_use]
    pub const fn one(self) -> &'static str {
        match self {
            Self::Products => "product",
            Self::Customers => "account",
            Self::Orders => "order",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Products => "products",
            Self::Customers => "customers",
            Self::Orders => "orders",
        })
    }
}
