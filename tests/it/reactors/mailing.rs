//! Mail of orders: whatever its server says or does not say, and wherever the process is killed meanwhile, every mail
//! that can be sent is, all copies of it have one Message-ID, and nothing is told of twice because it is read again.

use std::future::IntoFuture as _;
use std::time::Duration;

use domain::orders::{OrderCommand, Stage};
use event_schemas::ids::OrderId;
use event_schemas::orders::CancellationReason;
use reactors::mail::{Inbox, list_parked_mails, retry, retry_all, skip};
use serde_json::{Value, json};
use tests::{ETA_MAX, until};
use tokio::net::TcpListener;

use super::post::{Says, Server, header};
use super::world::{Running, World};

/// A world in which Ana has an account, and a server for her mail.
async fn world(says: Says) -> (World, Server) {
    let (world, server) = (World::new().await, Server::start(says).await);
    world.registers("Ana Lima", "ana@example.org").await;
    (world, server)
}

/// An order of a gift that is confirmed.
async fn confirmed(world: &World) -> OrderId {
    let product = world.sells(1).await;
    let order = world.place(product, 1).await;
    world.until_stage(order, Stage::Confirmed).await;
    order
}

async fn until_mails(world: &World, state: &str, count: i64) {
    world.until_count(&format!("react.mails where state = '{state}'"), count).await;
}

/// The id of the event that somebody is told of.
async fn event_of(world: &World, order: OrderId, event: &str) -> String {
    let sql = "select event_id::text from es_orders.events where aggregate_id = $1 and event_type = $2";
    sqlx::query_scalar(sql).bind(order.to_string()).bind(event).fetch_one(&world.views).await.unwrap()
}

/// No table of the policies holds an address or a name.
async fn nothing_personal_is_stored(world: &World) {
    for table in ["mails", "inbox"] {
        let sql = format!("select coalesce(string_agg(t::text, ' '), '') from react.{table} t");
        let all: String = sqlx::query_scalar(&sql).fetch_one(&world.views).await.unwrap();
        assert!(!all.contains("example.org") && !all.contains("Ana") && !all.contains("Gift"), "{table}: {all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ordered_is_told_of_confirmation_and_cancellation_and_of_nothing_else() {
    let (world, server) = world(Says::Accepts).await;
    let running = world.run_mailing(server.mailer(&world));
    let product = world.sells(1).await;
    let order = world.place(product, 1).await;
    world.until_stage(order, Stage::Confirmed).await;
    let mail = server.until_taken(1).await.remove(0);
    let id = format!("<{}@example.org>", event_of(&world, order, "OrderConfirmed").await);
    assert_eq!(header(&mail, "Message-ID"), id);
    assert_eq!(header(&mail, "To"), "\"Ana Lima\" <ana@example.org>");
    assert_eq!(header(&mail, "From"), "Shop <shop@example.org>");
    assert_eq!(header(&mail, "Subject"), "Your order is confirmed: Gift, Red");
    assert!(mail.contains("Hello Ana Lima,") && mail.contains("<!doctype html>"), "{mail}");
    world.ask(order, OrderCommand::Cancel { reason: CancellationReason::ByCustomer }).await;
    let mail = server.until_taken(2).await.remove(1);
    assert_eq!(header(&mail, "Subject"), "Your order was cancelled: Gift, Red");
    assert!(mail.contains("because you asked for it"), "{mail}");
    until_mails(&world, "sent", 2).await;
    nothing_personal_is_stored(&world).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_take_it_now_gets_it_again() {
    let (world, server) = world(Says::NotNow).await;
    let running = world.run_mailing(server.mailer(&world));
    let order = confirmed(&world).await;
    until("it is tried again", ETA_MAX, async || server.begun() >= 3).await;
    assert_eq!(world.count("react.mails where why like '%451 4.3.0' and due is not null").await, 1);
    nothing_personal_is_stored(&world).await;
    server.says(Says::Forbids);
    world.until_count("react.mails where why like '%does not let us in%530%'", 1).await;
    server.says(Says::Accepts);
    let mail = server.until_taken(1).await.remove(0);
    assert!(header(&mail, "Message-ID").contains(&event_of(&world, order, "OrderConfirmed").await));
    until_mails(&world, "sent", 1).await;
    assert_eq!(world.count("react.mails where tries >= 4 and why is null").await, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_nothing_up_for_ever() {
    let (world, server) = world(Says::HangsBefore).await;
    let running = world.run_mailing(server.patient_mailer(&world, Duration::from_millis(300)));
    confirmed(&world).await;
    world.until_count("react.mails where why like '%did not answer%' and due is not null", 1).await;
    server.says(Says::Accepts);
    server.until_taken(1).await;
    until_mails(&world, "sent", 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_waits_for_a_person_and_holds_nothing_up() {
    let (world, server) = world(Says::Refuses).await;
    let running = world.run_mailing(server.mailer(&world));
    confirmed(&world).await;
    confirmed(&world).await;
    until_mails(&world, "parked", 2).await;
    let parked = list_parked_mails(&world.views).await.unwrap();
    assert_eq!(parked[0].why, "the server refused it: 550 5.1.1");
    assert!(parked[0].letter.contains("order_confirmed"), "{}", parked[0].letter);
    nothing_personal_is_stored(&world).await;
    running.until_told("2 mails were refused").await;
    server.says(Says::Accepts);
    confirmed(&world).await;
    server.until_taken(1).await;
    retry(&world.views, parked[0].number).await.unwrap();
    server.until_taken(2).await;
    skip(&world.views, parked[1].number).await.unwrap();
    assert_eq!(retry_all(&world.views).await.unwrap(), 0);
    let gone = skip(&world.views, parked[1].number).await.unwrap_err().to_string();
    assert!(gone.contains("no parked mail has the number"), "{gone}");
    until_mails(&world, "sent", 2).await;
    until_mails(&world, "skipped", 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_after_the_server_took_it_sends_a_copy_with_the_same_message_id() {
    let (world, server) = world(Says::HangsAfter).await;
    let running = world.run_mailing(server.mailer(&world));
    confirmed(&world).await;
    server.until_taken(1).await;
    until_mails(&world, "sending", 1).await;
    running.kill().await;
    server.says(Says::Accepts);
    let running = world.run_mailing(server.mailer(&world));
    let mails = server.until_taken(2).await;
    assert_eq!(mails[0], mails[1], "it is the same mail to the byte");
    until_mails(&world, "sent", 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_before_the_server_took_it_loses_nothing() {
    let (world, server) = world(Says::HangsBefore).await;
    let running = world.run_mailing(server.mailer(&world));
    confirmed(&world).await;
    until("the server is asked", ETA_MAX, async || server.begun() == 1).await;
    running.kill().await;
    server.says(Says::Accepts);
    let running = world.run_mailing(server.mailer(&world));
    server.until_taken(1).await;
    until_mails(&world, "sent", 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_no_more_stores_nothing_of_what_the_server_says() {
    let (world, server) = world(Says::HangsBefore).await;
    let running = world.run_mailing(server.patient_mailer(&world, Duration::from_millis(500)));
    confirmed(&world).await;
    until("the server is asked", ETA_MAX, async || server.begun() == 1).await;
    world.another_led("order_mail").await;
    server.says(Says::Accepts);
    server.until_taken(1).await;
    until_mails(&world, "sent", 1).await;
    assert_eq!(world.term("order_mail").await, 3, "it was handed over in a term of its own");
    let tries: i32 = sqlx::query_scalar("select tries from react.mails").fetch_one(&world.views).await.unwrap();
    assert_eq!(tries, 2, "the first try stored nothing but its begin");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_account_or_was_erased_gets_no_mail() {
    let (world, server) = (World::new().await, Server::start(Says::Accepts).await);
    let running = world.run_mailing(server.mailer(&world));
    confirmed(&world).await;
    world.until_count("react.mails where state = 'no_recipient' and why like '%no account%'", 1).await;
    world.registers("Ana Lima", "ana at home").await;
    confirmed(&world).await;
    world.until_count("react.mails where state = 'no_recipient' and why like '%address is none%'", 1).await;
    world.erases().await;
    confirmed(&world).await;
    world.until_count("react.mails where state = 'no_recipient' and why like '%was erased'", 1).await;
    assert_eq!(server.begun(), 0);
    nothing_personal_is_stored(&world).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_again_is_told_of_no_second_time() {
    let (world, server) = world(Says::Accepts).await;
    let again = async |running: Running, taken: usize| {
        confirmed(&world).await;
        server.until_taken(taken).await;
        world.until_count("react.mails where due is not null", 0).await;
        running.stop().await;
    };
    again(world.run_mailing(server.mailer(&world)), 1).await;
    // The policy reads its store from the first event on.
    let sql = "update react.checkpoints set position = 0, event_id = null where policy = 'order_mail'";
    sqlx::query(sql).execute(&world.views).await.unwrap();
    again(world.run_mailing(server.mailer(&world)), 2).await;
    // Another instance got the events and none of what was noted for them.
    sqlx::raw_sql("truncate react.mails; truncate react.checkpoints").execute(&world.views).await.unwrap();
    for (context, store) in &world.stores {
        reactors::migrate(&world.views, &[(*context, store.reader())]).await.unwrap();
    }
    again(world.run_mailing(server.mailer(&world)), 3).await;
    assert_eq!(world.count("react.mails").await, 1, "only what came after");
    let ids: std::collections::BTreeSet<_> =
        server.taken().iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    assert_eq!(ids.len(), 3, "each of them once");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_mail_lies_sealed_in_the_inbox_until_its_holder_is_erased() {
    let world = World::new().await;
    world.registers("Ana Lima", "ana@example.org").await;
    let running = world.run();
    let order = confirmed(&world).await;
    world.until_count("react.inbox", 1).await;
    until_mails(&world, "sent", 1).await;
    nothing_personal_is_stored(&world).await;
    let tokens = platform::token::TokenKey::new([7; 32]);
    let inbox = Inbox { pool: world.views.clone(), keys: world.keys.clone(), tokens, in_use: true };
    let base = served(inbox.clone()).await;
    let seen = read(&base, "/v1/inbox?to=ANA@example.org&limit=5").await;
    let id = event_of(&world, order, "OrderConfirmed").await;
    assert_eq!((&seen.1["data"][0]["mail"], seen.0), (&json!(id), 200), "{seen:?}");
    assert_eq!(read(&base, "/v1/inbox?to=bob@example.org").await.1["data"], json!([]));
    let mail = read(&base, &format!("/v1/inbox/{id}")).await.1;
    assert!(mail["text"].as_str().unwrap().starts_with("Hello Ana Lima,"), "{mail}");
    world.erases().await;
    assert_eq!(read(&base, "/v1/inbox").await.1["data"], json!([]));
    let gone = read(&base, &format!("/v1/inbox/{id}")).await;
    assert_eq!((gone.0, &gone.1["code"]), (404, &json!("mail-not-found")));
    let unused = served(Inbox { in_use: false, ..inbox }).await;
    for path in ["/v1/inbox".to_owned(), format!("/v1/inbox/{id}")] {
        let (status, body) = read(&unused, &path).await;
        assert_eq!((status, &body["code"]), (404, &json!("inbox-not-in-use")), "{body}");
    }
    running.stop().await;
}

/// Serves the inbox; it ends with the test.
async fn served(inbox: Inbox) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, reactors::mail::http::routes(inbox)).into_future());
    url
}

/// The answer to a GET.
async fn read(base: &str, path: &str) -> (u16, Value) {
    let asked = reqwest::Client::new().get(format!("{base}{path}")).header("handsel-caller", "ana");
    let response = asked.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}
