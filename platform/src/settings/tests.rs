use super::*;

#[test]
fn a_secret_is_never_printed() {
    let secret = Secret::new("swordfish");
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    assert_eq!(secret.expose(), "swordfish");
}

#[test]
fn a_secret_may_lie_in_a_file_and_a_set_value_wins() {
    let file = std::env::temp_dir().join(format!("handsel-secret-{}", uuid::Uuid::new_v4()));
    std::fs::write(&file, "from the file\n").unwrap();
    let read = secret_or_file("X", None, Some(&file)).unwrap().unwrap();
    assert_eq!(read.expose(), "from the file");
    let set = secret_or_file("X", Some(&Secret::new("set")), Some(&file)).unwrap().unwrap();
    assert_eq!(set.expose(), "set");
    std::fs::write(&file, "\n").unwrap();
    assert!(matches!(secret_or_file("X", None, Some(&file)), Err(SettingsError::Empty { .. })));
    std::fs::remove_file(&file).unwrap();
    let gone = secret_or_file("X", None, Some(&file)).unwrap_err().to_string();
    assert!(gone.starts_with("cannot read ") && gone.contains("X_FILE"), "{gone}");
}

#[test]
fn a_value_and_its_file_may_both_be_set() {
    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        database: DatabaseSettings,
    }
    let words = ["program", "--database-url", "postgres://here", "--database-url-file", "/nowhere"];
    let program = <Program as clap::Parser>::try_parse_from(words).unwrap();
    assert_eq!(program.database.url().unwrap().unwrap().expose(), "postgres://here");
}

#[test]
fn root_keeps_its_data_where_other_users_may_pass() {
    let home = || Some("/home/ana".into());
    assert_eq!(usual_directory(true, None, home(), "/var/lib", ".local/share"), Path::new("/var/lib/handsel"));
    assert_eq!(
        usual_directory(false, None, home(), "/var/lib", ".local/share"),
        Path::new("/home/ana/.local/share/handsel")
    );
    assert_eq!(usual_directory(false, Some("/x".into()), home(), "/var/lib", ".cache"), Path::new("/x/handsel"));
}

#[test]
fn a_context_names_its_own_database_variable() {
    assert_eq!(context_variable("orders"), "HANDSEL_ORDERS_DATABASE_URL");
    assert_eq!(context_variable("two-words"), "HANDSEL_TWO_WORDS_DATABASE_URL");
}
