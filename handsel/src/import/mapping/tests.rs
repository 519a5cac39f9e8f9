//! What fills which target, and how a map that does not fit is refused.

use std::io::Write as _;

use super::*;

fn table(header: &str) -> Table {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    writeln!(file, "{header}").unwrap();
    Table::open(file.path(), None, None).unwrap()
}

fn find(kind: Kind, header: &str, maps: &[&str], sets: &[&str]) -> anyhow::Result<Mapping> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let words = Words::read(kind, &owned(maps), None, &owned(sets))?;
    Mapping::find(kind, &table(header), &words)
}

/// Target, what fills it, and why, of those that are filled.
fn filled(mapping: &Mapping) -> Vec<(String, String, String)> {
    let rows = mapping.shown().into_iter().filter(|row| row[1] != "-");
    rows.map(|row| (row[0].clone(), row[1].clone(), row[2].clone())).collect()
}

const PLAIN: &str = "id,name,email,price,Full name,a=b";

#[test]
fn a_map_that_does_not_fit_says_what_to_write() {
    for (kind, map, expected) in [
        (Kind::Customers, "name", "`name` is no pair; write target=column, such as name=\"Full name\""),
        (Kind::Products, "title", "such as title=Name"),
        (Kind::Orders, "a=b=c", "`a=b=c` is no pair"),
        (Kind::Customers, "", "is no pair"),
        (Kind::Customers, "name=Full name,", "is no pair"),
        (Kind::Customers, "=name", "customers have no ``; there are: id, name, email, reference"),
        (Kind::Customers, "nam=name", "customers have no `nam`; there are: id, name, email, reference"),
        (Kind::Customers, "price=price", "customers have no `price`"),
        (Kind::Customers, "name=", "`name` has no column; write name=COLUMN"),
        (Kind::Customers, "name=name+", "`name` has no column"),
        (Kind::Customers, "name=name,name=email", "`name` is mapped twice; to join columns write name=FIRST+SECOND"),
        (Kind::Customers, "name=\"Full name", "a quote is opened and not closed"),
        (Kind::Customers, "name=Fullname", "no column `Fullname`; it has: id, name, email, price, Full name, a=b"),
    ] {
        let why = format!("{:#}", find(kind, PLAIN, &[map], &[]).unwrap_err());
        assert!(why.contains(expected), "{map}: {why}");
    }
    for (set, expected) in [
        ("currency", "write target=value, such as currency=EUR"),
        ("currency=", "`currency` has no value"),
        ("id=1", "--map id=COLUMN"),
        ("colour=red", "products have no `colour`"),
    ] {
        let why = format!("{:#}", find(Kind::Products, PLAIN, &[], &[set]).unwrap_err());
        assert!(why.contains(expected), "{set}: {why}");
    }
    let why = find(Kind::Products, "id,a,b", &["price=a", "price_minor=b"], &[]).unwrap_err();
    assert!(why.to_string().contains("say the same in two ways"), "{why}");
    let why = find(Kind::Products, "id,a", &["title=a"], &["title=Mug"]).unwrap_err();
    assert!(why.to_string().contains("one of them is enough"), "{why}");
    let why = find(Kind::Customers, "id,name,name,email", &["name=name"], &[]).unwrap_err();
    assert!(why.to_string().contains("the file has 2 columns `name`"), "{why}");
}

#[test]
fn columns_are_joined_and_may_have_any_name() {
    let mapping = find(Kind::Customers, PLAIN, &["name=name+\"Full name\",email=\"a=b\""], &[]).unwrap();
    let row = [("name", "Ana"), ("Full name", "Lima"), ("a=b", "ana@example.org")];
    let row: Row = row.iter().map(|(column, text)| ((*column).to_owned(), (*text).to_owned())).collect();
    assert_eq!(mapping.cell(&row, "name").as_deref(), Some("Ana Lima"));
    assert_eq!(mapping.cell(&row, "email").as_deref(), Some("ana@example.org"));
    assert_eq!(mapping.cell(&row, "id"), None);
}

#[test]
fn what_is_typed_wins_over_the_map_file_and_that_over_what_is_known() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "# who\n\nname = Full name\nid = email").unwrap();
    let typed = ["id=name".to_owned()];
    let words = Words::read(Kind::Customers, &typed, Some(file.path()), &[]).unwrap();
    let mapping = Mapping::find(Kind::Customers, &table(PLAIN), &words).unwrap();
    let expected = [("id", "name", "--map"), ("name", "Full name", "--map"), ("email", "email", "its name")];
    assert_eq!(filled(&mapping), expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    writeln!(file, "town = Full name").unwrap();
    let why = format!("{:#}", Words::read(Kind::Customers, &[], Some(file.path()), &[]).unwrap_err());
    assert!(why.contains("line 5") && why.contains("customers have no `town`"), "{why}");
}

#[test]
fn the_export_of_a_shop_is_known_by_its_header() {
    let header = "Handle,Title,Body (HTML),Vendor,Type,Tags,Status,Option1 Value,Variant SKU,Variant Price,Price";
    let mapping = find(Kind::Products, header, &[], &["currency=EUR"]).unwrap();
    assert_eq!(mapping.preset(), Some("Shopify products"));
    assert_eq!(mapping.missing().len(), 0);
    let columns: Vec<_> = filled(&mapping).into_iter().map(|(target, by, _)| format!("{target}: {by}")).collect();
    assert_eq!(
        columns,
        [
            "id: Handle",
            "seller: Vendor",
            "title: Title",
            "price: Variant Price",
            "currency: always `EUR`",
            "description: Body (HTML)",
            "categories: Type + Tags",
            "sku: Variant SKU",
            "variant: Option1 Value",
            "state: Status"
        ]
    );
    assert_eq!(mapping.left_out(&table(header)), ["Price"], "what another column fills");
}

#[test]
fn what_is_missing_is_named_once() {
    let mapping = find(Kind::Orders, "id,customer", &[], &[]).unwrap();
    let names: Vec<_> = mapping.missing().iter().map(|target| target.name).collect();
    assert_eq!(names, ["date", "units", "total", "currency"]);
    let mapping = find(Kind::Orders, "id,customer,date,units,price,currency", &[], &[]).unwrap();
    assert!(mapping.missing().is_empty(), "a price per piece stands in for the total");
    let mapping = find(Kind::Products, "id,price,cents", &["price_minor=cents"], &[]).unwrap();
    assert!(mapping.fills("price_minor") && !mapping.fills("price"), "what was asked for wins");
}
