//! Cursors come back as they went, to their own list only.

use super::*;

#[test]
fn a_cursor_belongs_to_its_list() {
    let key = TokenKey::new([1; 32]);
    let text = encode(&key, "parcels sender=1", &(5, "x"));
    assert_eq!(decode::<(i32, String)>(&key, "parcels sender=1", &text).unwrap(), (5, "x".to_owned()));
    for (key, scope) in [(&key, "parcels sender=2"), (&TokenKey::new([2; 32]), "parcels sender=1")] {
        assert_eq!(decode::<(i32, String)>(key, scope, &text).unwrap_err().code(), "bad-parameter");
    }
    assert!(decode::<(i32, String)>(&key, "parcels sender=1", &"A".repeat(5000)).is_err());
}
