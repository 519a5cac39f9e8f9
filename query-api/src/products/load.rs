//! Products are loaded together: who asks while a statement is under way is answered by the next one, with all others
//! who did. Under load a statement brings many rows, and two who want the same product cost as much as one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use event_schemas::ids::ProductId;
use platform::postgres::looking_up;
use platform::problem::Problem;
use sqlx::PgPool;
use sqlx::types::Json;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::cache::{AsOf, CONTEXT, Known, Source};
use super::{Product, ProductRow, Variant};
use crate::app::{Api, failed_by};

/// How many rows one statement brings at most.
const ROWS_MAX: usize = 64;
/// So many statements are under way whatever happens, so that one that hangs holds up nobody else.
const STATEMENTS_MIN: usize = 2;
/// So many are under way if many wait.
const STATEMENTS_MAX: usize = 4;
const MANY: usize = 32;

/// Who waits for which product.
pub(crate) struct Loads {
    pool: PgPool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Wanted>,
    /// Statements under way.
    running: usize,
}

struct Wanted {
    product: Uuid,
    /// It is also asked as of which place the row is.
    placed: bool,
    answer: oneshot::Sender<Answer>,
}

/// A product as it is answered, and the place of the store as of which nothing of it is lacking; `None` for that if
/// something is, or if nobody knows or asks.
pub(super) type Loaded = (Arc<Known>, Option<AsOf>);
type Answer = Result<Option<Loaded>, Arc<sqlx::Error>>;

/// A product as its row has it, by a statement that begins after this call.
pub(super) async fn load(api: &Api, product: ProductId, placed: bool) -> Result<Option<Loaded>, Problem> {
    let (answer, answered) = oneshot::channel();
    if api.loads().ask(Wanted { product: product.0, placed, answer }) {
        // A task of its own: whoever asked may go away, and others wait for the same rows.
        tokio::spawn(work(api.clone()));
    }
    let answer = answered.await.map_err(|error| Problem::internal(&error))?;
    answer.map_err(|error| failed_by(&error))
}

/// Brings what is waited for until nobody waits.
async fn work(api: Api) {
    let running = Running(api.loads());
    loop {
        let wanted = running.0.take();
        if wanted.is_empty() {
            return;
        }
        let products: Vec<_> = wanted.iter().map(|wanted| wanted.product).collect();
        let found = match wanted.iter().any(|wanted| wanted.placed) {
            true => placed_rows(&api, &products).await,
            false => rows(&api, &products).await,
        };
        let found = found.map_err(Arc::new);
        for Wanted { product, answer, .. } in wanted {
            let loaded = found.as_ref().map(|found| found.get(&product).cloned());
            // Whoever does not listen any more needs nothing.
            let _ = answer.send(loaded.map_err(Arc::clone));
        }
    }
}

/// Counts a statement as long as it lives.
struct Running<'l>(&'l Loads);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

impl Loads {
    /// Of this database.
    pub(crate) fn new(views: &PgPool) -> Self {
        let connections_max = u32::try_from(STATEMENTS_MAX).unwrap_or(u32::MAX);
        Self { pool: looking_up(views, connections_max), state: Mutex::default() }
    }

    /// Whether somebody must begin to work for it.
    fn ask(&self, wanted: Wanted) -> bool {
        let mut state = self.state();
        state.waiting.push(wanted);
        let max = if state.waiting.len() < MANY { STATEMENTS_MIN } else { STATEMENTS_MAX };
        let begin = state.running < max;
        state.running += usize::from(begin);
        begin
    }

    fn take(&self) -> Vec<Wanted> {
        let mut state = self.state();
        let count = state.waiting.len().min(ROWS_MAX);
        state.waiting.drain(..count).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Found = HashMap<Uuid, Loaded>;

async fn rows(api: &Api, products: &[Uuid]) -> sqlx::Result<Found> {
    let rows = sqlx::query_as!(
        ProductRow,
        r#"select product as "product!", seller as "seller!", state as "state!", title as "title!",
                  description as "description!", amount_minor as "amount_minor!", currency as "currency!",
                  categories as "categories!", media, variants as "variants!: Json<Vec<Variant>>", lease_by,
                  lease_until, version as "version!", drafted_at as "drafted_at!", changed_at as "changed_at!"
             from read.products where product = any($1)"#,
        products,
    )
    .fetch_all(&api.loads().pool)
    .await?;
    rows.into_iter().map(|row| Ok((row.product, (known(row)?, None)))).collect()
}

/// Rows and places are of one snapshot: what the audit log has of a product, its row has, or it has no place.
async fn placed_rows(api: &Api, products: &[Uuid]) -> sqlx::Result<Found> {
    let rows = sqlx::query!(
        r#"select product as "product!", seller as "seller!", p.state as "state!", title as "title!",
                  description as "description!", amount_minor as "amount_minor!", currency as "currency!",
                  categories as "categories!", media, variants as "variants!: Json<Vec<Variant>>", lease_by,
                  lease_until, p.version as "version!", drafted_at as "drafted_at!", changed_at as "changed_at!",
                  a.history as "history?", a.position as "position?", a.generation as "audit?",
                  g.generation as "products?",
                  (exists (select from read.audit_log e
                            where e.aggregate_id = p.product::text and e.context = $2 and e.sequence > p.version
                              and e.aggregate_type = 'product')
                   or exists (select from read.parked k
                               where k.projection = 'audit_log' and k.context = $2
                                 and k.aggregate_id = p.product::text)) as "lacks!"
             from read.products p
             left join read.generations g on g.projection = 'products' and g.state = 'live'
             left join (select c.history, c.position, c.generation
                          from read.checkpoints c join read.generations l using (projection, generation)
                         where l.state = 'live' and c.projection = 'audit_log' and c.context = $2
                           and c.partition = -1) a on true
            where p.product = any($1)"#,
        products,
        CONTEXT,
    )
    .fetch_all(&api.loads().pool)
    .await?;
    let placed = rows.into_iter().map(|row| {
        let generations = row.audit.zip(row.products);
        let source = row.history.zip(generations).map(|(history, generations)| Source { history, generations });
        let as_of = source.zip(row.position).filter(|_| !row.lacks).map(|(source, position)| AsOf { source, position });
        let product = ProductRow {
            product: row.product,
            seller: row.seller,
            state: row.state,
            title: row.title,
            description: row.description,
            amount_minor: row.amount_minor,
            currency: row.currency,
            categories: row.categories,
            media: row.media,
            variants: row.variants,
            lease_by: row.lease_by,
            lease_until: row.lease_until,
            version: row.version,
            drafted_at: row.drafted_at,
            changed_at: row.changed_at,
        };
        Ok((row.product, (known(product)?, as_of)))
    });
    placed.collect()
}

fn known(row: ProductRow) -> sqlx::Result<Arc<Known>> {
    let product = Product::from(row);
    let body = serde_json::to_vec(&product).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(Arc::new(Known::new(product.version, Bytes::from(body))))
}
