use super::*;

/// A folder of its own for one test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Scratch(std::env::temp_dir().join(format!("handsel-data-{}", uuid::Uuid::new_v4())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_in_use_is_refused_and_names_the_holder() {
    let scratch = Scratch::new();
    let first = DataDir::open(&scratch.0).unwrap();
    let refused = DataDir::open(&scratch.0).unwrap_err().to_string();
    assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
    drop(first);
    DataDir::open(&scratch.0).unwrap();
}

#[test]
fn keys_are_made_once_and_closed_to_others() {
    let scratch = Scratch::new();
    assert!(AdminKey::read(&scratch.0).unwrap().is_none());
    let folder = DataDir::open(&scratch.0).unwrap();
    let (master, admin) = (folder.master_key().unwrap(), folder.admin_key().unwrap());
    assert_eq!(folder.master_key().unwrap(), master);
    assert_eq!(AdminKey::read(&scratch.0).unwrap(), Some(admin));
    for name in ["master.key", "admin.key"] {
        let mode = fs::metadata(scratch.0.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(format!("{master:?}"), "MasterKey(***)");
}

#[test]
fn a_key_that_many_make_at_once_is_one() {
    let scratch = Scratch::new();
    assert!(HeadsKey::read(&scratch.0).unwrap().is_none());
    let make = || HeadsKey::read_or_make(&scratch.0).unwrap();
    let made: Vec<HeadsKey> = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert!(made.iter().all(|key| *key == made[0]));
    assert_eq!(HeadsKey::read(&scratch.0).unwrap().as_ref(), Some(&made[0]));
    let left: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["heads.key"], "nothing is left over");
    let mode = fs::metadata(scratch.0.join("heads.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(format!("{:?}", made[0]), "HeadsKey(***)");
}

#[test]
fn a_broken_master_key_is_an_error_and_never_replaced() {
    let scratch = Scratch::new();
    let folder = DataDir::open(&scratch.0).unwrap();
    fs::write(scratch.0.join("master.key"), "short").unwrap();
    assert!(matches!(folder.master_key(), Err(DataDirError::BadKey { .. })));
    assert_eq!(fs::read_to_string(scratch.0.join("master.key")).unwrap(), "short");
}

#[test]
fn a_file_in_the_place_of_the_folder_is_one_clear_error() {
    let scratch = Scratch::new();
    fs::write(&scratch.0, "").unwrap();
    let refused = DataDir::open(&scratch.0).unwrap_err().to_string();
    assert!(refused.starts_with("cannot use the data folder "), "{refused}");
    fs::remove_file(&scratch.0).unwrap();
}
