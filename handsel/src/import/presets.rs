//! What the columns of common exports mean, known by their headers. Case does not matter.

use super::Kind;

/// The columns of one export.
#[derive(Debug)]
pub(super) struct Preset {
    /// Whose export it is.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// It is this export if all of these are there.
    known_by: &'static [&'static str],
    /// Each target with its columns, several joined by `+`; those that the file does not have are left out.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// How it writes dates, if not as RFC 3339.
    pub(super) date_format: Option<&'static str>,
}

const SHOPIFY_TIME: Option<&str> = Some("%Y-%m-%d %H:%M:%S %z");

const PRESETS: &[Preset] = &[
    Preset {
        name: "Shopify products",
        kind: Kind::Products,
        known_by: &["Handle", "Title", "Variant SKU", "Variant Price"],
        columns: &[
            ("id", "Handle"),
            ("seller", "Vendor"),
            ("title", "Title"),
            ("price", "Variant Price"),
            ("description", "Body (HTML)"),
            ("categories", "Type+Tags"),
            ("media", "Image Src"),
            ("sku", "Variant SKU"),
            ("variant", "Option1 Value+Option2 Value+Option3 Value"),
            ("stock", "Variant Inventory Qty"),
            ("state", "Status"),
        ],
        date_format: None,
    },
    Preset {
        name: "Shopify customers",
        kind: Kind::Customers,
        known_by: &["Customer ID", "First Name", "Last Name", "Email"],
        columns: &[("id", "Email"), ("name", "First Name+Last Name"), ("email", "Email"), ("reference", "Customer ID")],
        date_format: None,
    },
    Preset {
        name: "Shopify orders",
        kind: Kind::Orders,
        known_by: &["Name", "Email", "Created at", "Lineitem quantity", "Total", "Currency"],
        columns: &[
            ("id", "Name"),
            ("customer", "Email"),
            ("date", "Created at"),
            ("units", "Lineitem quantity"),
            ("total", "Total"),
            ("currency", "Currency"),
        ],
        date_format: SHOPIFY_TIME,
    },
    Preset {
        name: "Etsy listings",
        kind: Kind::Products,
        known_by: &["TITLE", "DESCRIPTION", "PRICE", "CURRENCY_CODE", "QUANTITY", "SKU"],
        columns: &[
            ("id", "SKU"),
            ("title", "TITLE"),
            ("price", "PRICE"),
            ("currency", "CURRENCY_CODE"),
            ("description", "DESCRIPTION"),
            ("categories", "TAGS"),
            ("media", "IMAGE1"),
            ("sku", "SKU"),
            ("stock", "QUANTITY"),
        ],
        date_format: None,
    },
];

/// The export that has these columns.
pub(super) fn of(kind: Kind, columns: &[String]) -> Option<&'static Preset> {
    let has = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    PRESETS.iter().find(|preset| preset.kind == kind && preset.known_by.iter().all(|name| has(name)))
}
