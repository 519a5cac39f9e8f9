//! Keys as headers carry them.

use axum::http::Request;

use super::*;

fn read(key: &[u8], caller: Option<&str>) -> Result<Option<IdempotencyKey>, Problem> {
    let mut request = Request::builder().header(HEADER, key);
    if let Some(caller) = caller {
        request = request.header("handsel-caller", caller);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let future = <IdempotencyKey as OptionalFromRequestParts<()>>::from_request_parts(&mut parts, &());
    futures::executor::block_on(future)
}

#[test]
fn a_key_comes_quoted_or_bare() {
    let key = Some(IdempotencyKey("k-1".to_owned()));
    assert_eq!(read(b"k-1", Some("ana")).unwrap(), key);
    assert_eq!(read(br#""k-1""#, Some("ana")).unwrap(), key);
}

#[test]
fn the_key_of_somebody_unknown_cannot_be_guessed() {
    assert!(read(b"7d444840-9dc0-4ad1-b245-5ffdce74fad2", None).is_ok());
    assert!(read(b"k-1", None).is_err());
    assert!(read(b"018f4e7a-0000-7000-8000-000000000001", None).is_err());
}

#[test]
fn what_is_no_key_is_refused() {
    for bad in [b"".as_slice(), b"\"\"", b"\"a", b"a b", b"a\"b", b"a\\b", b"\xff", &[b'a'; 256]] {
        assert!(read(bad, Some("ana")).is_err(), "{bad:?}");
    }
}
