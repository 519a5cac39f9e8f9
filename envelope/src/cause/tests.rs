//! A cause survives the metadata of an event.

use super::*;

fn survives(cause: &Cause, metadata: &str) {
    assert_eq!(serde_json::to_string(&cause.to_metadata()).unwrap(), metadata);
    assert_eq!(&serde_json::from_str::<Cause>(metadata).unwrap(), cause);
}

#[test]
fn metadata_is_a_flat_map_of_strings_in_one_order() {
    let mut cause = Cause::new("ana", Uuid::from_u128(1));
    survives(&cause, r#"{"actor":"ana","correlation_id":"00000000-0000-0000-0000-000000000001"}"#);
    cause.causation_id = Some(Uuid::from_u128(2));
    cause.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    survives(
        &cause,
        concat!(
            r#"{"actor":"ana","causation_id":"00000000-0000-0000-0000-000000000002","#,
            r#""correlation_id":"00000000-0000-0000-0000-000000000001","#,
            r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#
        ),
    );
}

#[test]
fn keys_of_later_programs_are_passed_over() {
    let read: Cause =
        serde_json::from_str(r#"{"actor":"ana","correlation_id":"00000000-0000-0000-0000-000000000001","on":"x"}"#)
            .unwrap();
    assert_eq!(read, Cause::new("ana", Uuid::from_u128(1)));
}
