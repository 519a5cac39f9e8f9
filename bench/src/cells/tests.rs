use super::*;

fn cell(samples: &[f64]) -> Cell {
    let mut cell = Cell::new();
    samples.iter().for_each(|sample| cell.add(*sample));
    cell
}

#[test]
fn the_median_is_the_one_in_the_middle() {
    assert_eq!(cell(&[9.0, 1.0, 5.0]).median(), 5.0);
    assert_eq!(cell(&[9.0, 1.0, 5.0, 6.0]).median(), 5.5);
}

#[test]
fn samples_that_differ_by_more_than_a_tenth_are_marked() {
    assert_eq!(cell(&[100.0, 101.0, 99.0]).show(0), "100 (99–101)");
    assert_eq!(cell(&[100.0, 150.0, 50.0]).show(0), "~100 (50–150)");
}
