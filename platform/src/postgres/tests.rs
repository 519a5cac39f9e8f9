use super::*;

#[test]
fn a_server_that_is_away_is_told_from_a_statement_that_is_wrong() {
    for away in ["08006", "53300", "53100", "57P01", "57P03", "58030", "25006"] {
        assert!(is_unavailable_state(away), "{away}");
    }
    for wrong in ["23505", "42601", "57014", "40001", "22P02", ""] {
        assert!(!is_unavailable_state(wrong), "{wrong}");
    }
    assert!(is_unavailable(&sqlx::Error::PoolTimedOut));
    assert!(!is_unavailable(&sqlx::Error::RowNotFound));
}

#[test]
fn messages_name_the_server_but_never_the_password() {
    let url = Secret::new("postgres://ana:swordfish@db.example:5433/jars");
    let options = connect_options(&url, &PoolSettings::new("test")).unwrap();
    assert_eq!(server_name(&options), "db.example:5433/jars");
}

#[test]
fn versions_are_read_from_the_number_the_server_gives() {
    assert_eq!(major_version("180006"), Some(18));
    assert_eq!(major_version("160010"), Some(16));
    assert_eq!(major_version("devel"), None);
}
