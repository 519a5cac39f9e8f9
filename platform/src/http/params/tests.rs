//! Parameters are taken by name, once, and none is overlooked.

use super::*;

fn params(query: &str) -> Params {
    Params::parse("/v1/parcels", query).unwrap()
}

#[test]
fn a_filter_is_read_escaped_or_not() {
    for query in ["filter[sender]=a%20b", "filter%5Bsender%5D=a+b"] {
        let mut params = params(query);
        assert_eq!(params.text("filter[sender]").unwrap(), Some("a b"));
        params.finish().unwrap();
    }
}

#[test]
fn a_parameter_that_nobody_knows_is_refused_by_name() {
    let mut params = params("filter[sendr]=1");
    assert_eq!(params.text("filter[sender]").unwrap(), None);
    let problem = params.finish().unwrap_err();
    assert!(problem.detail().contains("filter[sendr]") && problem.detail().contains("filter[sender]"));
}

#[test]
fn a_parameter_comes_once_and_in_its_form() {
    assert!(params("a=1&a=2").text("a").is_err());
    assert_eq!(params("a=17").take::<i64>("a").unwrap(), Some(17));
    assert!(params("a=x").take::<i64>("a").is_err());
    for query in ["a=%00", "a=%ff", &"a=1&".repeat(33)] {
        assert!(Params::parse("/", query).is_err(), "{query}");
    }
}
