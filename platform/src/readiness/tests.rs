use super::*;

#[test]
fn ready_means_started_with_every_check_passing_and_no_end_begun() {
    let readiness = Readiness::new();
    let (one, two) = (readiness.check("one"), readiness.check("two"));
    assert!(!readiness.is_ready());
    readiness.started();
    one.pass();
    assert!(!readiness.is_ready());
    two.pass();
    assert!(readiness.is_ready());
    two.fail("gone");
    assert_eq!(readiness.report(), "[+]started ok\n[+]not-draining ok\n[+]one ok\n[-]two failed: gone\n");
    two.pass_but("it waits");
    assert!(readiness.is_ready());
    assert!(readiness.report().ends_with("[+]two ok, but it waits\n"), "{}", readiness.report());
    two.pass();
    readiness.drain();
    assert!(!readiness.is_ready());
}
