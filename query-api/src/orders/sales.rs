//! What was sold, in all and by day.

use axum::extract::State;
use axum::response::Response;
use chrono::{Datelike as _, NaiveDate};
use event_schemas::Currency;
use platform::caller::Caller;
use platform::http::{IfNoneMatch, Page, PageRequest, Params};
use platform::problem::Problem;
use platform::token::ConsistencyToken;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::READS;
use crate::app::{Api, failed, tagged};
use crate::fresh::fresh;

const SALES_SUMMARY: &str = "sales_summary";
const SALES_BY_DAY: &str = "sales_by_day";
/// How many currencies are named to whoever did not say which.
const NAMED_MAX: i64 = 20;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(summary)).routes(routes!(by_currency)).routes(routes!(by_day))
}

/// Everything that was sold in one currency.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Summary {
    /// How many orders.
    #[schema(example = 69659)]
    orders: i64,
    /// How many accounts bought at least once.
    #[schema(example = 23570)]
    customers: i64,
    /// How many pieces.
    #[schema(example = 167_881)]
    units: i64,
    /// What was paid, in minor units.
    #[schema(example = 250_031_563)]
    revenue_minor: i64,
    /// ISO 4217; null as long as nothing was sold.
    #[schema(example = "USD")]
    currency: Option<String>,
    #[serde(skip)]
    version: i64,
}

/// What was sold on one day in one currency.
#[derive(Debug, Serialize, ToSchema)]
struct Day {
    /// The day of the purchases.
    ordered_on: NaiveDate,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: String,
    /// How many orders.
    orders: i64,
    /// How many pieces.
    units: i64,
    /// What was paid, in minor units.
    revenue_minor: i64,
}

/// Sum up everything that was sold.
#[utoipa::path(
    get, path = "/v1/sales/summary", tag = "orders", operation_id = "getSalesSummary",
    params(("filter[currency]" = Option<String>, Query,
            description = "Which currency; required once there are several.", example = "USD"),
           ("If-None-Match" = Option<String>, Header),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "The sums.", headers(("ETag")), body = Summary,
               example = json!({"orders": 69659, "customers": 23570, "units": 167_881,
                   "revenue_minor": 250_031_563, "currency": "USD"})),
              (status = 304, description = "You have them.", headers(("ETag"))), Problem)
)]
async fn summary(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    held: IfNoneMatch,
    mut params: Params,
) -> Result<Response, Problem> {
    let currency: Option<Currency> = params.take("filter[currency]")?;
    params.finish()?;
    let fresh = fresh(&app, SALES_SUMMARY, READS, &token).await?;
    let mut rows = sums(&app, currency, None, NAMED_MAX).await?;
    if rows.len() > 1 {
        let currencies: Vec<&str> = rows.iter().filter_map(|row| row.currency.as_deref()).collect();
        let why = format!(
            "things were sold in several currencies ({}), and their sums cannot be added: say which one you want, or \
             ask /v1/sales/by-currency for each",
            currencies.join(", ")
        );
        return Ok(fresh.answer(Problem::bad_parameter("filter[currency]", why)));
    }
    let none = || Summary { currency: currency.map(|currency| currency.code().to_owned()), ..Summary::default() };
    let row = rows.pop().unwrap_or_else(none);
    Ok(fresh.answer(tagged(&held, row.version, row)))
}

/// Sum up everything that was sold in each currency.
///
/// Sums of different currencies are never added.
#[utoipa::path(
    get, path = "/v1/sales/by-currency", tag = "orders", operation_id = "listSalesByCurrency",
    params(("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page, by the codes of the currencies; `Link` leads to the next.",
               headers(("Link")), body = Page<Summary>,
               example = json!({"data": [{"orders": 2, "customers": 1, "units": 3, "revenue_minor": 4600,
                   "currency": "EUR"}, {"orders": 69659, "customers": 23570, "units": 167_881,
                   "revenue_minor": 250_031_563, "currency": "USD"}], "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn by_currency(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let page = PageRequest::<String>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, SALES_SUMMARY, READS, &token).await?;
    let rows = sums(&app, None, page.after().cloned(), page.rows()).await?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| last.currency.clone().unwrap_or_default())))
}

/// The sums of one currency, or of those that come after another.
async fn sums(
    app: &Api,
    currency: Option<Currency>,
    after: Option<String>,
    rows_max: i64,
) -> Result<Vec<Summary>, Problem> {
    sqlx::query_as!(
        Summary,
        r#"select orders as "orders!", customers as "customers!", units as "units!",
                  revenue_minor as "revenue_minor!", currency, version as "version!"
             from read.sales_summary
            where ($1::text is null or currency = $1) and ($2::text is null or currency > $2)
            order by currency limit $3"#,
        currency.map(|currency| currency.code().to_owned()),
        after,
        rows_max,
    )
    .fetch_all(&app.views)
    .await
    .map_err(failed)
}

/// Sum up what was sold on each day.
#[utoipa::path(
    get, path = "/v1/sales/by-day", tag = "orders", operation_id = "listSalesByDay",
    params(("filter[from]" = Option<String>, Query, description = "Not before this day.", example = "1997-01-01"),
           ("filter[to]" = Option<String>, Query, description = "Not after this day.", example = "1997-12-31"),
           ("filter[currency]" = Option<String>, Query, description = "Only in this one.", example = "USD"),
           ("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query),
           ("Consistency-Token" = Option<String>, Header)),
    responses((status = 200, description = "A page, oldest day first; `Link` leads to the next.",
               headers(("Link")), body = Page<Day>,
               example = json!({"data": [{"ordered_on": "1997-01-12", "currency": "USD", "orders": 1, "units": 5,
                   "revenue_minor": 7700}], "next_cursor": null, "has_more": false})),
              Problem)
)]
async fn by_day(
    State(app): State<Api>,
    _: Caller,
    token: ConsistencyToken,
    mut params: Params,
) -> Result<Response, Problem> {
    let from = day(&mut params, "filter[from]")?;
    let to = day(&mut params, "filter[to]")?;
    let currency: Option<Currency> = params.take("filter[currency]")?;
    let page = PageRequest::<(NaiveDate, String)>::read(&mut params, &app.tokens)?;
    let fresh = fresh(&app, SALES_BY_DAY, READS, &token).await?;
    let (day, after) = page.after().cloned().unzip();
    let rows = sqlx::query_as!(
        Day,
        r#"select ordered_on as "ordered_on!", currency as "currency!", orders as "orders!", units as "units!",
                  revenue_minor as "revenue_minor!"
             from read.sales_by_day
            where ($1::date is null or ordered_on >= $1) and ($2::date is null or ordered_on <= $2)
              and ($3::text is null or currency = $3) and ($4::date is null or (ordered_on, currency) > ($4, $5::text))
            order by ordered_on, currency limit $6"#,
        from,
        to,
        currency.map(|currency| currency.code().to_owned()),
        day,
        after,
        page.rows(),
    )
    .fetch_all(&app.views)
    .await
    .map_err(failed)?;
    Ok(fresh.answer(page.page(&app.tokens, rows, |last| (last.ordered_on, last.currency.clone()))))
}

/// A day of four digits of year: Postgres does not know all the days that can be written with more.
fn day(params: &mut Params, name: &'static str) -> Result<Option<NaiveDate>, Problem> {
    let day: Option<NaiveDate> = params.take(name)?;
    match day {
        Some(day) if !(1..=9999).contains(&day.year()) => {
            Err(Problem::bad_parameter(name, "it is a day of the years 1 to 9999, such as 1997-01-12"))
        }
        day => Ok(day),
    }
}
