//! Tags as headers carry them.

use axum::http::Request;

use super::*;

fn if_match(value: &str) -> Result<Option<IfMatch>, Problem> {
    let (parts, ()) = Request::builder().header(IF_MATCH, value).body(()).unwrap().into_parts();
    IfMatch::read(&parts)
}

#[test]
fn a_version_is_a_strong_tag() {
    assert_eq!(if_match("\"3\"").unwrap(), Some(IfMatch(Some(3))));
    assert_eq!(if_match("*").unwrap(), Some(IfMatch(None)));
    for bad in ["3", "\"x\"", "W/\"3\"", "\"3\", \"4\"", "\"+3\"", "\"-3\"", "\"\"", "\"99999999999999999999\""] {
        assert!(if_match(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_the_caller_has_is_known_by_its_tag() {
    let held = IfNoneMatch(vec!["\"2\"".to_owned(), "W/\"3\"".to_owned()]);
    assert!(held.has(&etag(2)) && held.has(&etag(3)) && !held.has(&etag(4)));
    assert!(IfNoneMatch(vec!["*".to_owned()]).has(&etag(1)));
    assert!(!IfNoneMatch::default().has(&etag(1)));
}
