//! A store that was restored under those who follow it.

use sqlx::PgPool;

use super::{Api, import};

/// Takes the newest events away, as a restored backup does.
async fn lose(api: &Api, from: i64) {
    let store = PgPool::connect(api.database.url()).await.unwrap();
    let lost = format!(
        "set session_replication_role = replica; delete from es_orders.events where position >= {from};
         set session_replication_role = origin"
    );
    sqlx::raw_sql(&lost).execute(&store).await.unwrap();
}

async fn begin_another_history(api: &Api) {
    let store = PgPool::connect(api.database.url()).await.unwrap();
    sqlx::raw_sql("update es_orders.store set history = gen_random_uuid()").execute(&store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_sent_what_a_restored_store_lost_is_told_and_not_let_in_again_as_if_nothing_were() {
    let api = Api::start().await;
    import(&api, "a", 5).await;
    let (mut ahead, mut behind) = (api.follow("?from=start", "").await, api.follow("?from=start", "").await);
    ahead.take(5).await;
    behind.take(2).await;
    lose(&api, 4).await;
    let told = ahead.next().await.expect("it is told");
    assert_eq!(
        (told.name.as_deref(), &told.data["context"], &told.data["position"]),
        (Some("lost"), &"orders".into(), &5.into())
    );
    assert!(ahead.next().await.is_none(), "the stream ends");
    let id = format!("Last-Event-ID: {}", ahead.last_id);
    let refused = api.get("/v1/events/stream", &[&id]).await.expect(409);
    assert_eq!(
        (&refused.body["code"], &refused.body["errors"][0]["pointer"]),
        (&"events-lost".into(), &"Last-Event-ID".into())
    );
    // What stood at the second place is there still.
    let mut back = api.follow("", &behind.last_id).await;
    assert_eq!(back.take(1).await[0]["position"], 3);
    // A place written by hand beyond the end is a mistake, not a loss.
    api.get("/v1/events/stream?from=orders=5", &[]).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_sent_nothing_that_was_lost_hears_of_the_other_history_and_goes_on() {
    let api = Api::start().await;
    import(&api, "a", 3).await;
    let mut following = api.follow("?from=start", "").await;
    following.take(3).await;
    let before = following.last_id.clone();
    begin_another_history(&api).await;
    let told = following.next().await.expect("it is told");
    assert_eq!((told.name.as_deref(), &told.data["context"]), (Some("history"), &"orders".into()));
    let mut back = api.follow("?filter[context]=orders", &before).await;
    begin_another_history(&api).await;
    assert_eq!(back.next().await.expect("it is told").name.as_deref(), Some("history"));
}
