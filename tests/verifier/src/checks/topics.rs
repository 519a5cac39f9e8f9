//! Every topic against its store: each event that was acknowledged, in an order that a reader can follow.

use super::Check;
use crate::{Outcome, Subject, plain};

const INVARIANTS: &[&str] = &["I8", "I9"];

pub(super) const CHECK: Check =
    Check { invariants: INVARIANTS, what: "topics", run: |subject| Box::pin(check(subject)) };

async fn check(subject: &Subject) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (context, store) in &subject.stores {
        let Some(topics) = &subject.topics else {
            let outcome = Outcome::of(INVARIANTS, format!("topic of {context}"));
            outcomes.push(outcome.not_looked_at("no broker runs and KAFKA_BROKERS names none"));
            continue;
        };
        let name = &topics.names[context];
        let mut outcome = Outcome::of(INVARIANTS, format!("topic {name} against its store"));
        let Some(report) = plain::walk_topic(topics, *context, &store.reader).await? else {
            let events = store.reader.head().await?.position.get();
            if subject.options.quiesced && events > 0 {
                outcome.violated(format!("no relay has published anything of {events} events"));
                outcomes.push(outcome);
            } else {
                outcomes.push(outcome.not_looked_at("no relay has published anything to it yet"));
            }
            continue;
        };
        outcome.see("records", report.records);
        outcome.see("repeats", report.repeated);
        outcome.see("events waiting", report.waiting);
        report.findings.iter().for_each(|finding| outcome.violated(finding));
        if subject.options.quiesced && report.waiting > 0 {
            outcome.violated(format!(
                "{} events after position {} are not acknowledged although nothing is under way",
                report.waiting, report.checkpoint
            ));
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
