//! What would be imported: the whole file is read once and checked before anything is sent.

use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use uuid::Uuid;

use super::groups::{Group, Groups};
use super::table::Numbered;
use super::{Kind, Mapping, Table, customers, days, orders, products};
use crate::client::{Job, Step};

pub use super::groups::Bad;

/// How many things are shown.
const SHOWN_MAX: usize = 3;

/// Whose file it is, and how it is read.
#[derive(Clone, Debug)]
pub struct Shop {
    namespace: Uuid,
    pub(super) mapping: Mapping,
    pub(super) date_format: Option<String>,
    pub(super) decimal_mark: char,
}

/// A thing that can be imported.
#[derive(Debug)]
pub(super) struct Thing {
    pub(super) steps: Vec<Step>,
    /// What it is made of, as it is sent first.
    pub(super) body: Value,
    /// What is counted: variants or pieces, and how many.
    pub(super) counts: Counts,
}

/// What is counted besides the things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Variants of products, or lines of orders.
    pub parts: u64,
    /// Pieces that come in, or that were bought.
    pub pieces: u64,
}

/// What is in a file.
#[derive(Debug)]
pub struct Plan {
    kind: Kind,
    table: Table,
    shop: Arc<Shop>,
    /// How many things can be imported.
    pub good: u64,
    /// What they are made of.
    pub counts: Counts,
    /// The first of them, as they would be sent.
    pub first: Vec<Value>,
    /// The lines that are left out, in their order.
    pub bad: Vec<Bad>,
}

impl Shop {
    /// A shop by its name, from which all ids follow, and how its files are written.
    ///
    /// # Errors
    /// If the form of dates or the decimal mark cannot be used.
    pub fn new(name: &str, mapping: Mapping, date_format: Option<&str>, decimal_mark: char) -> anyhow::Result<Self> {
        date_format.map_or(Ok(()), days::check)?;
        anyhow::ensure!(
            matches!(decimal_mark, '.' | ','),
            "`{decimal_mark}` is no decimal mark; write --decimal-mark . or --decimal-mark ,"
        );
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("handsel import of {name}").as_bytes());
        let date_format = date_format.or(mapping.date_format()).map(str::to_owned);
        Ok(Self { namespace, mapping, date_format, decimal_mark })
    }

    /// The id of a thing of the shop.
    pub(super) fn id_of(&self, kind: &str, id: &str) -> Uuid {
        Uuid::new_v5(&self.namespace, format!("{kind} {id}").as_bytes())
    }

    /// The account of whoever the shop calls so; a UUID is that account itself.
    pub(super) fn account(&self, id: &str) -> Uuid {
        Uuid::try_parse(id).unwrap_or_else(|_| self.id_of("account", id))
    }

    /// The key of one step of a thing: the same step never acts twice.
    pub(super) fn key(&self, of: Uuid, step: &str) -> Uuid {
        Uuid::new_v5(&of, step.as_bytes())
    }

    /// A group of rows as what it is, or the line that keeps it from being that.
    fn thing(&self, kind: Kind, group: &Group) -> Result<Thing, Bad> {
        match kind {
            Kind::Products => products::thing(self, group),
            Kind::Customers => customers::thing(self, group),
            Kind::Orders => orders::thing(self, group),
        }
    }
}

/// A cell that must be there.
pub(super) fn needed(shop: &Shop, group: &Group, target: &str) -> Result<(u64, String), Bad> {
    let none = || Bad { line: group.line(), why: format!("`{}` has no {target}", group.id) };
    group.first(&shop.mapping, target).ok_or_else(none)
}

/// With the line where it stands.
pub(super) fn at<T, E: ToString>(line: u64, outcome: Result<T, E>) -> Result<T, Bad> {
    outcome.map_err(|why| Bad { line, why: why.to_string() })
}

impl Plan {
    /// Reads the whole file.
    ///
    /// # Errors
    /// If it cannot be read, or nothing fills a target without which nothing can be imported.
    pub fn make(kind: Kind, table: Table, shop: Shop) -> anyhow::Result<Self> {
        let (mut good, mut counts, mut first, mut bad) = (0, Counts::default(), Vec::new(), Vec::new());
        for group in groups(&table, &shop)? {
            match group.context("reading the file")?.and_then(|group| shop.thing(kind, &group)) {
                Ok(Thing { body, counts: more, .. }) => {
                    good += 1;
                    counts = Counts { parts: counts.parts + more.parts, pieces: counts.pieces + more.pieces };
                    if first.len() < SHOWN_MAX {
                        first.push(body);
                    }
                }
                Err(one) => bad.push(one),
            }
        }
        bad.sort_by_key(|bad| bad.line);
        Ok(Self { kind, table, shop: Arc::new(shop), good, counts, first, bad })
    }

    /// What is to be sent: the file is read a second time, so that it need not fit into memory.
    ///
    /// # Errors
    /// If the file cannot be opened again.
    pub fn jobs(&self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Job>> + Send + use<>> {
        let (shop, kind) = (self.shop.clone(), self.kind);
        Ok(groups(&self.table, &self.shop)?.filter_map(move |group| {
            let group = match group.context("reading the file again") {
                Ok(group) => group.ok()?,
                Err(error) => return Some(Err(error)),
            };
            // What was left out before was reported before.
            let Thing { steps, .. } = shop.thing(kind, &group).ok()?;
            Some(Ok(Job { name: format!("line {}: {} `{}`", group.line(), kind.one(), group.id), steps }))
        }))
    }
}

type Rows = Box<dyn Iterator<Item = io::Result<Numbered>> + Send>;

fn groups(table: &Table, shop: &Shop) -> anyhow::Result<Groups<Rows>> {
    Ok(Groups::new(table.rows()?, shop.mapping.clone()))
}

#[cfg(test)]
mod tests;
