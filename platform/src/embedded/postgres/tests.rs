use super::*;

#[test]
fn the_server_is_ready_when_its_own_process_says_so() {
    let text = |status: &str| format!("42\n/data\n1700000000\n5432\n\n127.0.0.1\n  123 4\n{status}\n");
    assert!(server::is_ready(&text("ready   "), "42"));
    assert!(!server::is_ready(&text("starting"), "42"));
    assert!(!server::is_ready(&text("ready   "), "43"), "left by another process");
    assert!(!server::is_ready("42\n/data\n", "42"));
}

#[test]
fn versions_of_installed_binaries_are_understood() {
    assert_eq!(binaries::major("18.6"), Some(18));
    assert_eq!(binaries::major("19beta1"), Some(19));
    assert_eq!(binaries::major("17"), Some(17));
    assert_eq!(binaries::major("unknown"), None);
}

#[test]
fn a_folder_closed_to_the_database_user_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let closed = std::env::temp_dir().join(format!("handsel-closed-{}", uuid::Uuid::new_v4()));
    let inner = closed.join("inner");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let stranger = owner::Owner { uid: 4_000_000, gid: 4_000_000 };
    let refused = owner::enterable(&inner.canonicalize().unwrap(), stranger).unwrap_err().to_string();
    std::fs::remove_dir_all(&closed).unwrap();
    assert!(refused.contains(&format!("chmod o+x {}", closed.display())), "{refused}");
}
