//! What is for sale while a load goes on: made before it begins, by the commands that sellers give.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use event_schemas::Context;
use serde_json::{Value, json};
use verifier::Acknowledged;

use crate::dice::Dice;
use crate::load::{Answer, Journal};

/// Pieces of each product: of the first there is enough for all, of the last not even for a few.
const PIECES: [i64; 5] = [1_000_000, 1_000_000, 200, 40, 8];

/// A variant that can be ordered.
#[derive(Clone, Debug)]
pub(crate) struct Ware {
    pub(crate) product: String,
    pub(crate) sku: &'static str,
}

/// Puts products on sale. What is asked for stands in the journal as everything does.
pub(crate) async fn open(
    http: &reqwest::Client,
    commands: &str,
    dice: &mut Dice,
    journal: &Path,
) -> anyhow::Result<Arc<[Ware]>> {
    let mut seller = Seller {
        http,
        commands,
        dice: dice.apart("keys"),
        journal: Journal::open(journal).context("opening the journal")?,
    };
    let owner = dice.uuid();
    let mut wares = Vec::new();
    for (number, pieces) in (1..).zip(PIECES) {
        let product = dice.uuid().to_string();
        let body = json!({
            "product": product, "seller": owner, "title": format!("Ware {number}"),
            "price": {"amount_minor": 100 * number, "currency": "EUR"},
            "variants": [{"sku": "ONE", "title": "The only one"}],
        });
        seller.ask("/v1/products", &product, "ProductDrafted", body).await?;
        let path = format!("/v1/products/{product}");
        seller.ask(&format!("{path}/propose"), &product, "ProductProposed", Value::Null).await?;
        seller.ask(&format!("{path}/approve"), &product, "ProductApproved", Value::Null).await?;
        let stock = format!("{product}/ONE");
        seller.ask(&format!("{path}/stock/ONE/receive"), &stock, "StockReceived", json!({"quantity": pieces})).await?;
        wares.push(Ware { product, sku: "ONE" });
    }
    Ok(wares.into())
}

struct Seller<'s> {
    http: &'s reqwest::Client,
    commands: &'s str,
    dice: Dice,
    journal: Journal,
}

impl Seller<'_> {
    async fn ask(&mut self, path: &str, aggregate: &str, event: &str, body: Value) -> anyhow::Result<()> {
        let key = self.dice.uuid().to_string();
        let request =
            self.http.post(format!("{}{path}", self.commands)).header("idempotency-key", format!("\"{key}\""));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.with_context(|| path.to_owned())?;
        let answer = Answer::read(answer).await.with_context(|| format!("{path} was answered with no JSON"))?;
        anyhow::ensure!(answer.is_success(), "{path} was answered {}: {:?}", answer.status, answer.body);
        self.journal.note(&Acknowledged {
            context: Context::Products,
            aggregate: aggregate.to_owned(),
            version: answer.version.with_context(|| format!("{path} was answered without a version"))?,
            key: Some(key),
            caller: None,
            status: answer.status,
            answer: answer.body,
            events: vec![event.to_owned()],
            replays: 0,
        });
        Ok(())
    }
}
