//! What counts as a sku.

use super::*;

#[test]
fn a_sku_has_letters_digits_and_three_marks() {
    for good in ["1", "MUG-RED", "a.b_c-9", "...", "-", &"x".repeat(SKU_CHARS_MAX)] {
        assert_eq!(good.parse::<Sku>().unwrap().to_string(), good);
        assert_eq!(serde_json::to_string(&good.parse::<Sku>().unwrap()).unwrap(), format!("\"{good}\""));
    }
    for bad in ["", ".", "..", "a b", "a/b", "ü", "a\0", "a%20", &"x".repeat(SKU_CHARS_MAX + 1)] {
        assert_eq!(bad.parse::<Sku>(), Err(NotASku), "{bad}");
    }
    let says = serde_json::from_str::<Sku>("\"a/b\"").unwrap_err().to_string();
    assert!(says.starts_with("a sku has 1 to 64 letters"), "{says}");
}
