use super::*;

struct Panics;

impl Data for Panics {
    fn decode(_: Recorded<RawPayload>) -> Result<Recorded<Self>, Failed> {
        panic!("there is no {}", "such event")
    }
}

struct Mistaken;

impl Projection for Mistaken {
    type Data = Panics;
    const NAME: &'static str = "mistaken";
    const VERSION: i32 = 1;
    const CONTEXTS: &'static [Context] = &[];
    const TABLES: &'static [Table] = &[];

    async fn apply(_: &mut View<'_>, _: &[Recorded<Panics>]) -> Result<(), Failed> {
        Ok(())
    }
}

#[test]
fn a_mistake_in_a_projection_is_a_reason_of_the_event() {
    let event = Recorded {
        position: envelope::Position(1),
        context: "orders".into(),
        aggregate_type: "order".into(),
        aggregate_id: "1".to_owned(),
        sequence: 1,
        event_id: Uuid::nil(),
        event_type: "OrderImported".into(),
        event_version: "1".into(),
        recorded_at: envelope::Timestamp::default(),
        cause: envelope::Cause {
            actor: "test".to_owned(),
            correlation_id: Uuid::nil(),
            causation_id: None,
            traceparent: None,
        },
        data: RawPayload::new("{}".to_owned()).unwrap(),
    };
    let Err(failed) = ReadModel::of::<Mistaken>().decode(vec![event]) else { panic!("it was decoded") };
    assert!(matches!(&failed, Failed::Event(reason) if reason.contains("there is no such event")), "{failed}");
}
