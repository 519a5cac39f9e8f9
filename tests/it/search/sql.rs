//! What is counted beside what is found, against counts by SQL over the read model.

use serde_json::{Value, json};
use sqlx::PgPool;
use tests::World;

use super::catalogue::{id, sell_all, step};
use super::search;

/// What of the read model a question is about.
const SCOPES: [(&str, &str); 6] = [
    ("", "true"),
    ("filter[category]=kitchen", "categories @> array['kitchen']"),
    ("currency=EUR", "currency = 'EUR'"),
    ("currency=USD&price[min]=2900&price[max]=8900", "currency = 'USD' and amount_minor between 2900 and 8900"),
    (
        "filter[category]=outdoor&currency=EUR&price[max]=5000",
        "categories @> array['outdoor'] and currency = 'EUR' and amount_minor <= 5000",
    ),
    ("filter[seller]=018f4e7a-0000-7000-8000-000000000001", "seller = '018f4e7a-0000-7000-8000-000000000001'"),
];

async fn rows(views: &PgPool, sql: &str) -> Vec<Value> {
    sqlx::query_scalar(&format!("select to_json(t) from ({sql}) as t")).fetch_all(views).await.unwrap()
}

#[tokio::test]
async fn totals_and_facets_are_what_sql_counts() {
    let world = World::start().await;
    let views = PgPool::connect(world.database.url()).await.unwrap();
    sell_all(&world.app).await;
    // Some are taken off again, so that what is counted is not simply everything.
    for number in (1..=240).step_by(7) {
        step(&world.app, &id(number), if number % 2 == 0 { "archive" } else { "unlist" }).await;
    }
    let token = step(&world.app, &id(1), "publish").await.header("consistency-token").to_owned();
    _ = world.app.get_after("/v1/products?limit=1", &token).await.ok();
    for (query, scope) in SCOPES {
        let page = search(&world.app, query, &token).await;
        let of = format!("from read.products where state = 'published' and {scope}");
        let total: i64 = sqlx::query_scalar(&format!("select count(*) {of}")).fetch_one(&views).await.unwrap();
        assert!(total > 0 && page["total"] == json!(total), "{query}: {total} {page}");
        let categories = format!(
            "select category as value, count(*) as count
               from (select unnest(categories) as category {of}) as each
              group by 1 order by 2 desc, category collate \"C\" limit 50"
        );
        assert_eq!(page["facets"]["categories"], json!(rows(&views, &categories).await), "{query}");
        let prices = format!(
            "select currency, from_minor, below_minor, count(*) as count
               from (select currency, amount_minor {of}) as each
               join (values (0, 1000), (1000, 2500), (2500, 5000), (5000, 10000), (10000, 25000), (25000, 50000),
                            (50000, 100000), (100000, null)) as range(from_minor, below_minor)
                 on amount_minor >= from_minor and (below_minor is null or amount_minor < below_minor)
              group by 1, 2, 3 order by 1, 2"
        );
        assert_eq!(page["facets"]["prices"], json!(rows(&views, &prices).await), "{query}");
    }
    world.app.stop().await;
}
