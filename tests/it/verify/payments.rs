//! Payments in the shop, and what the verifier says when money is not where it should be.

use domain::payments::PaymentCommand;
use event_schemas::Context;
use reactors::payments::{Simulator, SimulatorSettings};

use super::all::{Shop, assert_violated, tamper};
use crate::payments::till::Till;
use crate::payments::{authorize, operation, order, payment, usd};

const EVENTS: &str = "es_payments.events";

impl Shop {
    /// One that is captured and partly refunded, one that is declined and its void dropped, one that is unknown for a
    /// while and then voided, and one that waits for its payer: all at the provider that is simulated.
    pub(super) async fn pay(&mut self) {
        let sql = self.sql().await;
        let provider = Simulator::new(sql, SimulatorSettings::default());
        let mut till = Till::new(provider, &self.world.app.spine.stores[&Context::Payments]);
        till.accepted(payment(1), authorize(1, "pm_sim_ok")).await;
        till.settle().await;
        let (capture, refund) = (operation(11), operation(12));
        till.accepted(payment(1), PaymentCommand::Capture { operation: capture, amount: None }).await;
        till.settle().await;
        till.accepted(payment(1), PaymentCommand::Refund { operation: refund, amount: Some(usd(300)) }).await;
        for (number, method) in [(2, "pm_sim_declined"), (3, "pm_sim_timeout_after")] {
            till.accepted(payment(number), authorize(number, method)).await;
            till.accepted(payment(number), PaymentCommand::Void { operation: operation(10 * number + 1) }).await;
        }
        till.settle().await;
        till.accepted(payment(4), authorize(4, "pm_sim_action_required")).await;
        till.turn().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_was_taken_twice_or_without_a_promise_is_named() {
    let stopped = Shop::open().await.stop().await;
    let report = stopped.verify(&["I16"]).await;
    assert!(report.holds, "{report}");
    assert!(report.to_string().contains("4 payments, 1 orders paid, holds"), "{report}");
    assert!(report.to_string().contains("5 movements, 7 operations, holds"), "{report}");
    tamper(&stopped.sql, &format!("create table kept as select * from {EVENTS}")).await;
    let amount = |of: &str, from: i64, to: i64| {
        format!(
            "update {EVENTS}
                set payload = replace(payload::text, '\"amount_minor\":{from}', '\"amount_minor\":{to}')::json
              where event_type = '{of}'"
        )
    };
    let (one, three) = (payment(1), payment(3));
    let (first, third) = (order(1), order(3));
    for (tampering, place) in [
        (amount("PaymentCaptured", 1000, 1001), format!("payment {one}: 1001 minor units were captured and 1000")),
        (amount("PaymentRefunded", 300, 1002), format!("payment {one}: 1002 minor units were refunded and 1000")),
        (
            format!("update {EVENTS} set event_type = 'PaymentCaptured' where event_type = 'PaymentVoided'"),
            String::new(),
        ),
        (
            format!(
                "update {EVENTS} set event_type = 'PaymentCaptured' where event_type = 'PaymentVoided';
                 update {EVENTS} set payload = replace(payload::text, '{third}', '{first}')::json"
            ),
            format!("order {first} is paid by payment {one} and by payment {three}"),
        ),
        (
            format!("update {EVENTS} set event_type = 'PaymentVoided' where event_type = 'PaymentRefunded'"),
            format!("payment {one}: it was voided, and 1000 minor units were captured"),
        ),
    ] {
        tamper(&stopped.sql, &tampering).await;
        let report = stopped.verify(&["I16"]).await;
        if place.is_empty() {
            assert!(report.holds, "two orders may be paid:\n{report}");
        } else {
            assert_violated(&report, "I16", &place);
        }
        tamper(&stopped.sql, &format!("delete from {EVENTS}; insert into {EVENTS} select * from kept")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_moved_otherwise_than_was_recorded_is_named() {
    let stopped = Shop::open().await.stop().await;
    let journal = "sim_payments.journal";
    tamper(&stopped.sql, &format!("create table kept as select * from {journal}")).await;
    let (captured, declined) = (operation(11), operation(20));
    let columns = "operation, kind, payment, amount_minor, currency";
    for (tampering, place) in [
        (
            format!("insert into {journal} ({columns}) select {columns} from {journal} where operation = '{captured}'"),
            format!("operation {captured}: the provider moved the money 2 times"),
        ),
        (
            format!("delete from {journal} where operation = '{captured}'"),
            format!("operation {captured}: it is recorded that it succeeded, and nothing moved"),
        ),
        (
            format!("update {journal} set operation = '{declined}' where operation = '{captured}'"),
            format!("operation {declined}: it is recorded that it failed, and the money moved"),
        ),
    ] {
        tamper(&stopped.sql, &tampering).await;
        assert_violated(&stopped.verify(&["I16"]).await, "I16", &place);
        let restore =
            format!("delete from {journal}; insert into {journal} overriding system value select * from kept");
        tamper(&stopped.sql, &restore).await;
    }
    assert!(stopped.verify(&["I16"]).await.holds);
    tamper(&stopped.sql, "drop schema sim_payments cascade").await;
    let report = stopped.verify(&["I16"]).await;
    assert!(report.holds && report.to_string().contains("nothing was ever asked of the payment simulator"), "{report}");
}
