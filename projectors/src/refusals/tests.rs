use super::*;

#[test]
fn a_refusal_that_is_not_met_again_is_over() {
    let (refusals, start) = (Refusals::default(), Instant::now());
    assert_eq!(refusals.standing(start), None);
    refusals.note("no".to_owned(), start);
    assert_eq!(refusals.standing(start + Duration::from_secs(5)), Some("no".to_owned()));
    assert_eq!(refusals.standing(start + COUNTS_FOR), None);
}

#[test]
fn a_broker_that_is_away_refuses_nothing() {
    assert!(is_refusal(RDKafkaErrorCode::TopicAuthorizationFailed));
    assert!(!is_refusal(RDKafkaErrorCode::AllBrokersDown));
    assert!(!is_refusal(RDKafkaErrorCode::UnknownTopicOrPartition));
}
