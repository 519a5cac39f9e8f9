use super::*;

#[test]
fn a_part_replaces_its_own_section_only() {
    let folder = std::env::temp_dir().join(format!("handsel-report-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("performance.md");
    Report::open(&path, "first machine".to_owned()).unwrap().put("append", "old figures").unwrap();
    Report::open(&path, "second machine".to_owned()).unwrap().put("import", "new figures").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(text.contains("second machine") && !text.contains("first machine"), "{text}");
    assert!(text.contains("old figures") && text.contains("new figures"), "{text}");
}
