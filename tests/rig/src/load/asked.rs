//! What a client asks for, and what it remembers of what it has done.

use std::sync::Arc;

use event_schemas::Context;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use verifier::Acknowledged;

use super::answer::Answer;
use crate::dice::Dice;
use crate::market::Ware;

const CUSTOMERS: u64 = 500;
/// Accounts of one client: whoever soaks for long must not grow for ever.
const OWNED_MAX: usize = 400;
/// Orders that one client has placed and not brought to their end.
const PLACED_MAX: usize = 50;
/// How often an order is asked for something that it is not ready for.
const TRIES_MAX: u32 = 10;
const REGISTERED: &str = "AccountRegistered";
const PLACED: &str = "OrderPlaced";
/// How orders are paid: mostly as it should be, else in each way in which it can go wrong.
const METHODS: [&str; 10] = [
    "pm_sim_ok",
    "pm_sim_ok",
    "pm_sim_ok",
    "pm_sim_ok",
    "pm_sim_ok",
    "pm_sim_ok",
    "pm_sim_declined",
    "pm_sim_timeout_before",
    "pm_sim_timeout_after",
    "pm_sim_late",
];

/// A request that is repeated until it is answered.
pub(super) struct Asked {
    pub(super) context: Context,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) key: String,
    pub(super) if_match: Option<i64>,
    event: &'static str,
    pub(super) aggregate: String,
    /// A field, and what it could be in another request.
    misuse: Option<(&'static str, Value)>,
    /// Perhaps it was so before, because others work on the same, and then nothing happens.
    may_be_so: bool,
    /// It may come too early or too late, because others work on the same.
    pub(super) may_conflict: bool,
}

impl Asked {
    fn new(context: Context, event: &'static str, path: &str, body: Value, key: String) -> Self {
        let (method, path, aggregate) = (Method::POST, path.to_owned(), String::new());
        let (if_match, misuse, may_be_so, may_conflict) = (None, None, false, false);
        Self { context, method, path, body, key, if_match, event, aggregate, misuse, may_be_so, may_conflict }
    }

    fn about(self, aggregate: String) -> Self {
        Self { aggregate, ..self }
    }

    /// Another request with the same key.
    pub(super) fn misused(&self) -> Option<Self> {
        let (field, value) = self.misuse.clone()?;
        let mut body = self.body.clone();
        body[field] = value;
        let (method, path, key) = (self.method.clone(), self.path.clone(), self.key.clone());
        let other = Self::new(self.context, self.event, &path, body, key).about(self.aggregate.clone());
        Some(Self { method, if_match: self.if_match, ..other })
    }

    /// What the journal says of it.
    pub(super) fn line(&self, version: i64, status: u16, answer: Option<Value>, replays: u32) -> Acknowledged {
        Acknowledged {
            context: self.context,
            aggregate: self.aggregate.clone(),
            version,
            key: Some(self.key.clone()),
            caller: None,
            status,
            answer,
            events: if self.may_be_so { vec![] } else { vec![self.event.to_owned()] },
            replays,
        }
    }
}

/// An account that this client alone renames, so that it knows the version.
#[derive(Clone, Debug)]
struct Owned {
    account: String,
    version: i64,
}

/// An order that this client has placed.
#[derive(Clone, Debug)]
struct Placed {
    order: String,
    shipped: bool,
    tries: u32,
}

/// What a client remembers.
pub(super) struct Memory {
    number: u32,
    wares: Arc<[Ware]>,
    owned: Vec<Owned>,
    placed: Vec<Placed>,
}

impl Memory {
    pub(super) fn new(number: u32, wares: Arc<[Ware]>) -> Self {
        Self { number, wares, owned: Vec::new(), placed: Vec::new() }
    }

    /// What is to be asked for next.
    pub(super) fn choose(&self, dice: &mut Dice) -> Asked {
        let key = dice.uuid().to_string();
        match dice.below(20) {
            0 | 1 if self.owned.len() < OWNED_MAX => self.register(dice, key),
            0..=6 if !self.owned.is_empty() => self.rename(dice, key),
            7 | 8 if !self.wares.is_empty() && self.placed.len() < PLACED_MAX => self.place(dice, key),
            9 | 10 if !self.placed.is_empty() => self.go_on(dice, key),
            _ => import(dice, key),
        }
    }

    /// What follows from an answer for what is asked next.
    pub(super) fn learn(&mut self, asked: &Asked, answer: &Answer) {
        let version = answer.version.unwrap_or_default();
        if asked.event == REGISTERED {
            self.owned.push(Owned { account: asked.aggregate.clone(), version });
        } else if asked.event == PLACED {
            self.placed.push(Placed { order: asked.aggregate.clone(), shipped: false, tries: 0 });
        } else if let Some(owned) = self.owned.iter_mut().find(|owned| owned.account == asked.aggregate) {
            owned.version = version;
        } else if let Some(placed) = self.placed.iter_mut().find(|placed| placed.order == asked.aggregate) {
            placed.shipped |= asked.event == "OrderShipped";
            if asked.event != "OrderShipped" {
                self.forget(&asked.aggregate);
            }
        }
    }

    /// Others were faster, or slower than hoped.
    pub(super) fn conflicted(&mut self, asked: &Asked) {
        if let Some(placed) = self.placed.iter_mut().find(|placed| placed.order == asked.aggregate) {
            placed.tries += 1;
        }
        self.placed.retain(|placed| placed.tries < TRIES_MAX);
    }

    /// Nobody knows what has become of it.
    pub(super) fn forget(&mut self, aggregate: &str) {
        self.owned.retain(|owned| owned.account != aggregate);
        self.placed.retain(|placed| placed.order != aggregate);
    }

    fn register(&self, dice: &mut Dice, key: String) -> Asked {
        let name = format!("Person {} of {}", dice.below(1_000_000), self.number);
        let account = dice.uuid().to_string();
        let body =
            json!({"account": account, "name": name, "email": format!("p{}@example.org", dice.below(1_000_000))});
        let asked = Asked::new(Context::Identity, REGISTERED, "/v1/accounts", body, key).about(account);
        Asked { misuse: Some(("name", json!("Somebody Else"))), ..asked }
    }

    fn rename(&self, dice: &mut Dice, key: String) -> Asked {
        let of = dice.zipf(self.owned.len() as u64);
        let Owned { account, version } = self.owned[usize::try_from(of).unwrap_or_default()].clone();
        // Never the name that it has: nothing would happen then.
        let body = json!({"name": format!("Renamed {key}")});
        let path = format!("/v1/accounts/{account}");
        let asked = Asked::new(Context::Identity, "AccountRenamed", &path, body, key).about(account);
        let misuse = Some(("name", json!("Somebody Else")));
        Asked { method: Method::PATCH, if_match: Some(version), misuse, ..asked }
    }

    fn place(&self, dice: &mut Dice, key: String) -> Asked {
        let order = dice.uuid().to_string();
        let of = |dice: &mut Dice| &self.wares[usize::try_from(dice.zipf(self.wares.len() as u64)).unwrap_or_default()];
        let line = |dice: &mut Dice| {
            let Ware { product, sku } = of(dice);
            json!({"product": product, "sku": sku, "quantity": 1 + dice.below(3)})
        };
        // Some name the same twice, or two that only one of which is there.
        let lines: Vec<Value> = (0..=dice.below(2)).map(|_| line(dice)).collect();
        let body = json!({"order": order, "customer": customer(dice), "lines": lines,
                          "payment_method": *dice.pick(&METHODS)});
        let asked = Asked::new(Context::Orders, PLACED, "/v1/orders", body, key).about(order);
        Asked { misuse: Some(("payment_method", json!("pm_sim_other"))), ..asked }
    }

    /// Sends an order, says that it arrived, or cancels it.
    fn go_on(&self, dice: &mut Dice, key: String) -> Asked {
        let Placed { order, shipped, .. } = dice.pick(&self.placed).clone();
        let path = |what: &str| format!("/v1/orders/{order}/{what}");
        let asked = if shipped {
            Asked::new(Context::Orders, "OrderDelivered", &path("deliver"), Value::Null, key)
        } else if dice.percent(25) {
            let body = json!({"reason": *dice.pick(&["by_customer", "by_seller"])});
            let asked = Asked::new(Context::Orders, "OrderCancelled", &path("cancel"), body, key);
            Asked { may_be_so: true, ..asked }
        } else {
            let body = json!({"shipment": dice.uuid(), "tracking": format!("1Z{}", dice.below(1_000_000))});
            let asked = Asked::new(Context::Orders, "OrderShipped", &path("shipments"), body, key);
            Asked { misuse: Some(("tracking", json!("2Z"))), ..asked }
        };
        Asked { may_conflict: true, ..asked.about(order) }
    }
}

fn customer(dice: &mut Dice) -> Uuid {
    Uuid::from_u128(u128::from(dice.zipf(CUSTOMERS)) + 1)
}

fn import(dice: &mut Dice, key: String) -> Asked {
    let order = dice.uuid().to_string();
    let body = json!({
        "order": order,
        "customer": customer(dice),
        "ordered_on": format!("1997-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(28)),
        "units": 1 + dice.below(9),
        "total": {"amount_minor": dice.below(20_000), "currency": *dice.pick(&["USD", "EUR"])},
    });
    let asked = Asked::new(Context::Orders, "OrderImported", "/v1/orders/import", body, key).about(order);
    Asked { misuse: Some(("units", json!(1_000))), ..asked }
}
