//! Pages follow one another without a gap.

use super::*;

fn key() -> TokenKey {
    TokenKey::new([3; 32])
}

fn read(query: &str) -> Result<PageRequest<i64>, Problem> {
    let mut params = Params::parse("/v1/parcels", query)?;
    params.text("filter[sender]")?;
    PageRequest::read(&mut params, &key())
}

#[test]
fn a_page_leads_to_the_next() {
    let request = read("filter[sender]=a&limit=2").unwrap();
    assert_eq!((request.rows(), request.after()), (3, None));
    let sealed = request.page(&key(), vec![10, 20, 30], |last| *last);
    assert_eq!((sealed.page.data.as_slice(), sealed.page.has_more), ([10, 20].as_slice(), true));
    let link = sealed.into_response().headers()[LINK].to_str().unwrap().to_owned();
    let query = link.strip_prefix("</v1/parcels?").unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    let next = read(query).unwrap();
    assert_eq!((next.limit(), next.after()), (2, Some(&20)));
    let last = next.page(&key(), vec![30], |last| *last);
    assert_eq!((last.page.next_cursor, last.page.has_more, last.link), (None, false, None));
}

#[test]
fn a_cursor_stays_with_its_filters() {
    let sealed = read("filter[sender]=a&limit=1").unwrap().page(&key(), vec![1, 2], |last| *last);
    let cursor = sealed.page.next_cursor.unwrap();
    assert!(read(&format!("filter[sender]=a&limit=7&cursor={cursor}")).is_ok());
    assert!(read(&format!("filter[sender]=b&cursor={cursor}")).is_err());
    assert!(read(&format!("cursor={cursor}")).is_err());
}

#[test]
fn a_page_has_its_bounds() {
    for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=99999999999999999999", "sort=a"] {
        assert!(read(query).is_err(), "{query}");
    }
}
