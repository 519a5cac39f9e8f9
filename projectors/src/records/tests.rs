use super::*;

#[test]
fn the_same_trouble_is_told_once_a_minute() {
    let (mut warned, start) = (Warned::default(), Instant::now());
    let (refused, away) = (RDKafkaErrorCode::TopicAuthorizationFailed, RDKafkaErrorCode::AllBrokersDown);
    let after = |seconds| start + Duration::from_secs(seconds);
    assert!(warned.is_due(Some(refused), start));
    assert!(!warned.is_due(Some(refused), after(59)));
    assert!(warned.is_due(Some(away), after(59)));
    assert!(warned.is_due(Some(refused), after(60)));
}
