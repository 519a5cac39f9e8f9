//! Given events, when they are applied, then these rows.

use event_schemas::Context;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::world::{Given, World, account_id, imported, order, registered, renamed};
use super::{payments, products};

#[tokio::test]
async fn sales_are_summed_per_currency_and_each_customer_counts_once() {
    let world = World::new().await;
    let orders = [imported(1, "USD", 500), imported(11, "USD", 250), imported(2, "USD", 0), imported(3, "EUR", 70)];
    world.append(Context::Orders, &orders).await;
    let running = world.run();
    world.settled().await;
    assert_eq!(
        world.rows("select * from read.sales_summary order by currency").await,
        [
            json!({"currency": "EUR", "orders": 1, "customers": 1, "units": 2, "revenue_minor": 70, "version": 1}),
            json!({"currency": "USD", "orders": 3, "customers": 2, "units": 6, "revenue_minor": 750, "version": 3}),
        ]
    );
    running.stop().await;
}

#[tokio::test]
async fn days_orders_and_customers_show_the_same_purchases() {
    let world = World::new().await;
    let orders: Vec<_> = (0..60).map(order).collect();
    world.append(Context::Orders, &orders).await;
    let running = world.run();
    world.settled().await;
    let sums = world
        .rows("select sum(orders) as orders, sum(units) as units, sum(revenue_minor) as minor from read.sales_by_day");
    assert_eq!(sums.await, [json!({"orders": 60, "units": 120, "minor": 60_000})]);
    let of_one = "select ordered_on, units, amount_minor, currency, version from read.customer_orders
                   where customer = '00000000-0000-0000-0000-00000000c007' order by ordered_on, order_id limit 2";
    assert_eq!(
        world.rows(of_one).await[0],
        json!({"ordered_on": "1997-01-02", "units": 2, "amount_minor": 1000, "currency": "USD", "version": 1})
    );
    assert_eq!(world.count("read.orders").await, 60);
    running.stop().await;
}

#[tokio::test]
async fn an_account_shows_its_newest_name_until_it_is_erased() {
    let world = World::new().await;
    let events = [
        registered(&world.keys, 1, "Ana").await,
        registered(&world.keys, 2, "Bob").await,
        renamed(&world.keys, 1, 2, "Anna").await,
    ];
    world.keys.erase(&account_id(2).to_string()).await.unwrap();
    world.append(Context::Identity, &events).await;
    let running = world.run();
    world.settled().await;
    assert_eq!(
        world
            .rows(
                "select name, name_erased, email, email_erased, reference, version from read.accounts order by account"
            )
            .await,
        [
            json!({"name": "Anna", "name_erased": false, "email": "1@example.org", "email_erased": false,
                   "reference": "00001", "version": 2}),
            json!({"name": null, "name_erased": true, "email": null, "email_erased": true,
                   "reference": "00002", "version": 1}),
        ]
    );
    running.stop().await;
}

#[tokio::test]
async fn the_audit_log_holds_every_event_as_it_was_stored() {
    let world = World::new().await;
    world.append(Context::Orders, &[order(1), order(2)]).await;
    world.append(Context::Identity, &[registered(&world.keys, 1, "Ana").await]).await;
    let running = world.run();
    world.settled().await;
    let log = world.rows("select context, position, event_type, actor from read.audit_log order by context, position");
    assert_eq!(
        log.await,
        [
            json!({"context": "identity", "position": 1, "event_type": "AccountRegistered", "actor": "test"}),
            json!({"context": "orders", "position": 1, "event_type": "OrderImported", "actor": "test"}),
            json!({"context": "orders", "position": 2, "event_type": "OrderImported", "actor": "test"}),
        ]
    );
    let same = "read.audit_log l join es_orders.events e on l.context = 'orders' and l.position = e.position
                 and l.payload::text = e.payload::text";
    assert_eq!(world.count(same).await, 2);
    let sealed = world.rows("select payload::text as text from read.audit_log where context = 'identity'").await;
    assert!(!sealed[0].to_string().contains("Ana"), "personal data stays sealed");
    running.stop().await;
}

/// The rows of every read model that is fed by aggregates; the audit log is about positions and differs by intent.
const ROWS: &str = "select 'summary' as of, t::text as row from read.sales_summary t
    union all select 'day', t::text from read.sales_by_day t union all select 'order', t::text from read.orders t
    union all select 'customer', t::text from read.customer_orders t
    union all select 'account', t::text from read.accounts t
    union all select 'product', t::text from read.products t
    union all select 'stock', t::text from read.stock t
    union all select 'payment', t::text from read.payments t
    union all select 'operation', t::text from read.payment_operations t order by 1, 2";

#[tokio::test]
async fn rows_converge_whatever_the_interleaving_of_aggregates() {
    let one = World::new().await;
    let mut aggregates: Vec<Vec<Given>> = (0..200).map(|number| vec![order(number)]).collect();
    for number in 0..40 {
        let mut account = vec![registered(&one.keys, number, "Ana").await];
        for sequence in 2..2 + i64::try_from(number % 4).unwrap() {
            account.push(renamed(&one.keys, number, sequence, &format!("Ana {sequence}")).await);
        }
        aggregates.push(account);
    }
    aggregates.extend((0..30).flat_map(|number| [products::history(number), products::stock_history(number)]));
    aggregates.extend((0..30).map(payments::history));
    let mut runner = TestRunner::deterministic();
    let mut expected = None;
    for _ in 0..3 {
        let world = World { keys: one.keys.clone(), ..World::new().await };
        let running = world.run();
        let turns: Vec<usize> =
            aggregates.iter().enumerate().flat_map(|(index, events)| vec![index; events.len()]).collect();
        let turns = Just(turns).prop_shuffle().new_tree(&mut runner).unwrap().current();
        let mut next = vec![0; aggregates.len()];
        // In pieces, so that batches are cut at other places each time.
        for piece in turns.chunks(37) {
            for index in piece {
                let event = &aggregates[*index][next[*index]];
                next[*index] += 1;
                let context = match event.aggregate.0 {
                    "order" => Context::Orders,
                    "account" => Context::Identity,
                    "payment" => Context::Payments,
                    _ => Context::Products,
                };
                world.append(context, std::slice::from_ref(event)).await;
            }
        }
        world.settled().await;
        let rows = world.rows(ROWS).await;
        assert_eq!(rows.len(), 1 + 28 + 200 + 200 + 40 + 30 + 30 + 30 + 59);
        assert_eq!(&rows, expected.get_or_insert_with(|| rows.clone()));
        running.stop().await;
    }
}
