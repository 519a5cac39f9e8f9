//! To whom the admin key is shown.

use platform::data_dir::DataDir;

use super::*;

fn import(url: &str, data_dir: Option<PathBuf>) -> ClientArgs {
    ClientArgs { url: url.parse().unwrap(), concurrency: 1, give_up_after: None, data_dir }
}

#[test]
fn the_key_of_a_folder_that_was_named_goes_wherever_the_import_goes() {
    let folder = tempfile::tempdir().unwrap();
    let named = Some(folder.path().join("data"));
    assert_eq!(import("http://127.0.0.1:8420", named.clone()).admin_key(), None, "there is none yet");
    let key = DataDir::open(&folder.path().join("data")).unwrap().admin_key().unwrap();
    for url in ["http://127.0.0.1:8420", "http://192.0.2.7:8420"] {
        assert_eq!(import(url, named.clone()).admin_key().as_ref(), Some(&key), "{url}");
    }
}

#[test]
fn the_usual_key_stays_on_this_machine() {
    assert_eq!(import("http://shop.example:8420", None).admin_key(), None);
    for url in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
        assert!(is_this_machine(&url.parse().unwrap()), "{url}");
    }
    for url in ["http://127.0.0.1.example:1", "http://10.0.0.1", "http://[fe80::1]:1"] {
        assert!(!is_this_machine(&url.parse().unwrap()), "{url}");
    }
}
