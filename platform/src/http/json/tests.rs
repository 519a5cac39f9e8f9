//! Whatever is wrong with a body, the problem says where.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Parcel {
    pieces: u32,
    sender: Person,
    stops: Vec<Person>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    name: String,
}

#[track_caller]
fn check(body: &[u8], status: u16, code: &str, pointer: &str) {
    let problem = parse::<Parcel>(body).unwrap_err();
    let written = serde_json::to_value(problem.body()).unwrap();
    assert_eq!(written["status"], status, "{written}");
    assert_eq!(written["code"], code, "{written}");
    assert_eq!(written["errors"][0]["pointer"], pointer, "{written}");
}

#[test]
fn a_field_of_another_type_is_named() {
    check(br#"{"pieces":"1"}"#, 422, "bad-field", "/pieces");
    check(br#"{"pieces":-1}"#, 422, "bad-field", "/pieces");
    check(br#"{"pieces":1.5}"#, 422, "bad-field", "/pieces");
    check(br#"{"pieces":99999999999}"#, 422, "bad-field", "/pieces");
    check(br#"{"pieces":1,"sender":{"name":null}}"#, 422, "bad-field", "/sender/name");
    check(
        br#"{"pieces":1,"sender":{"name":"a"},"stops":[{"name":"a"},{"name":2}]}"#,
        422,
        "bad-field",
        "/stops/1/name",
    );
}

#[test]
fn a_body_that_is_no_object_is_refused_as_a_whole() {
    for body in [&b"[]"[..], br#"[1,["a"],[]]"#, b" 50000", b"-1", br#""text""#, b"null", b"true "] {
        check(body, 422, "bad-field", "");
    }
    let problem = parse::<Parcel>(b"50000").unwrap_err();
    let written = serde_json::to_value(problem.body()).unwrap();
    assert_eq!(written["detail"], "the body cannot be used: it is a number, not a JSON object");
}

#[test]
fn an_array_is_no_object_however_deep_it_lies() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Route {
        Direct { hours: u32 },
        By(Person, u32),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Journey {
        driver: Option<Person>,
        routes: Vec<Route>,
    }
    check(br#"{"pieces":1,"sender":["a"],"stops":[]}"#, 422, "bad-field", "/sender");
    check(br#"{"pieces":1,"sender":{"name":"a"},"stops":[{"name":"a"},["b"]]}"#, 422, "bad-field", "/stops/1");
    for (body, pointer) in [
        (r#"{"driver":["a"],"routes":[]}"#, "/driver"),
        (r#"{"driver":null,"routes":[{"Direct":[1]}]}"#, "/routes/0/Direct"),
        (r#"{"driver":null,"routes":[{"By":[["a"],1]}]}"#, "/routes/0/By/0"),
    ] {
        let written = serde_json::to_value(parse::<Journey>(body.as_bytes()).unwrap_err().body()).unwrap();
        assert_eq!((&written["status"], &written["errors"][0]["pointer"]), (&422.into(), &pointer.into()), "{written}");
        assert!(written["detail"].as_str().unwrap().contains("an object with named fields"), "{written}");
    }
    let fine = br#"{"driver":{"name":"a"},"routes":[{"Direct":{"hours":1}},{"By":[{"name":"b"},2]}]}"#;
    let person = |name: &str| Person { name: name.to_owned() };
    let routes = vec![Route::Direct { hours: 1 }, Route::By(person("b"), 2)];
    assert_eq!(parse::<Journey>(fine).unwrap(), Journey { driver: Some(person("a")), routes });
}

#[test]
fn a_missing_unknown_or_doubled_field_is_named() {
    check(br#"{"pieces":1,"stops":[]}"#, 422, "bad-field", "/sender");
    check(br#"{"pieces":1,"sender":{}}"#, 422, "bad-field", "/sender/name");
    check(br#"{"pieces":1,"colour":2}"#, 422, "bad-field", "/colour");
    check(br#"{"sender":{"name":"a","a/b":2}}"#, 422, "bad-field", "/sender/a~1b");
    check(br#"{"pieces":1,"pieces":2}"#, 422, "bad-field", "/pieces");
}

#[test]
fn what_is_no_json_is_said_to_be_none() {
    check(b"", 400, "bad-json", "");
    check(b"parcel", 400, "bad-json", "");
    check(b"{", 400, "bad-json", "");
    check(br#"{"pieces":1,"sender":{"name":"a"},"stops":[]} {}"#, 400, "bad-json", "");
    check(br#"{"pieces":"#, 400, "bad-json", "/pieces");
    check(b"\xff\xfe", 400, "bad-json", "");
    check(br#"{"pieces":1,"sender":{"name":"\ud800"}}"#, 400, "bad-json", "/sender/name");
    check("[".repeat(100_000).as_bytes(), 422, "bad-field", "");
}
