use super::{metadata, without_name};

#[test]
fn the_name_around_the_fields_goes_and_their_bytes_stay() {
    assert_eq!(without_name("Opened", r#"{"Opened": {"b":1.50, "a":"x"} }"#), r#"{"b":1.50, "a":"x"}"#);
}

#[test]
fn events_that_are_tagged_otherwise_stay_whole() {
    for whole in [r#"{"type":"Opened","by":1}"#, r#""Opened""#, r#"{"Opened":{},"more":{}}"#, "[1]"] {
        assert_eq!(without_name("Opened", whole), whole);
    }
}

#[test]
fn metadata_becomes_a_flat_map_of_strings() {
    let nested = r#"{"actor":"ana","n":1,"yes":true,"gone":null,"list":[1,"a"],"trace":{"id":"7","deep":{"er":2}}}"#;
    let flat = r#"{"actor":"ana","list":"[1,\"a\"]","n":"1","trace.deep.er":"2","trace.id":"7","yes":"true"}"#;
    assert_eq!(metadata(nested), flat);
    assert_eq!(metadata("null"), "{}");
    assert_eq!(metadata("7"), r#"{"metadata":"7"}"#);
}
