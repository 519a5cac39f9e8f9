//! Compares two generations of a table, key range by key range, each in a snapshot of its own.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};

use super::Rebuild;
use crate::table::{self, Table};

/// Rows of one range.
const RANGE_ROWS: i64 = 20_000;
/// So many differing rows are shown.
const EXAMPLES_MAX: usize = 20;

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows of the new generation that were looked at.
    pub rows: i64,
    /// Rows that differ, or are on one side only.
    pub differing: i64,
    /// Some of them: table and key, the row as it is shown now, and the new one.
    pub examples: Vec<Difference>,
}

/// A row that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table and the key in it.
    pub row: String,
    /// As it is shown now; `None` if it is new.
    pub live: Option<String>,
    /// As it was built; `None` if it is gone.
    pub rebuilt: Option<String>,
}

/// How many rows there are to compare.
pub(super) async fn rows(rebuild: &Rebuild, tables: &[&Table]) -> sqlx::Result<u64> {
    let mut rows = 0;
    for table in tables {
        let name = table::name(rebuild.model.name, rebuild.generation, table.suffix);
        let count: i64 = sqlx::query_scalar(&format!("select count(*) from {name}")).fetch_one(&rebuild.views).await?;
        rows += count.unsigned_abs();
    }
    Ok(rows)
}

/// The key ranges of one table, one after another.
pub(super) struct Ranges<'r> {
    rebuild: &'r Rebuild,
    table: &'static Table,
    /// The key's columns with their types, as `("currency", "text")`.
    key: Vec<(&'static str, String)>,
    after: Option<Vec<String>>,
    done: bool,
}

impl<'r> Ranges<'r> {
    pub(super) async fn of(rebuild: &'r Rebuild, table: &'static Table) -> sqlx::Result<Self> {
        let mut key = Vec::new();
        for column in table.key {
            let name = table::name(rebuild.model.name, rebuild.generation, table.suffix);
            let of_type: String = sqlx::query_scalar(
                "select format_type(atttypid, atttypmod) from pg_attribute
                  where attrelid = $1::regclass and attname = $2",
            )
            .bind(name)
            .bind(column)
            .fetch_one(&rebuild.views)
            .await?;
            key.push((*column, of_type));
        }
        Ok(Self { rebuild, table, key, after: None, done: false })
    }

    /// Compares the next range; `false` when there is none.
    pub(super) async fn next(&mut self, compared: &mut Compared) -> sqlx::Result<bool> {
        if self.done {
            return Ok(false);
        }
        let up_to = self.end().await?;
        self.compare(up_to.as_deref(), compared).await?;
        self.done = up_to.is_none();
        self.after = up_to;
        Ok(true)
    }

    /// The key at which the next range ends; `None` if it is the last.
    async fn end(&self) -> sqlx::Result<Option<Vec<String>>> {
        let texts = self.listed(|column, _| format!("{column}::text"));
        let sql = format!(
            "select {texts} from {} where {} order by {} offset {} limit 1",
            self.name(self.rebuild.generation),
            self.bounds(false),
            self.columns(),
            RANGE_ROWS - 1
        );
        let row = self.bound(sqlx::query(&sql), None).fetch_optional(&self.rebuild.views).await?;
        row.map(|row| (0..self.key.len()).map(|index| row.try_get(index)).collect()).transpose()
    }

    async fn compare(&self, up_to: Option<&[String]>, compared: &mut Compared) -> sqlx::Result<()> {
        let side = |generation: i32| {
            let key = self.listed(|column, _| format!("{column}::text"));
            format!(
                "select concat_ws(', ', {key}) as key, t::text as content from {} t where {}",
                self.name(generation),
                self.bounds(up_to.is_some())
            )
        };
        let sql = format!(
            "with live as ({}), rebuilt as ({}), other as (
                 select coalesce(l.key, r.key) as key, l.content as live, r.content as rebuilt
                   from live l full join rebuilt r on l.key = r.key
                  where l.content is distinct from r.content order by 1)
             select (select count(*) from rebuilt) as rows, (select count(*) from other) as differing,
                    key, live, rebuilt
               from (select 1) one left join lateral (select * from other limit {EXAMPLES_MAX}) example on true",
            side(self.rebuild.live.generation),
            side(self.rebuild.generation),
        );
        let rows = self.bound(sqlx::query(&sql), up_to).fetch_all(&self.rebuild.views).await?;
        for (index, row) in rows.iter().enumerate() {
            if index == 0 {
                compared.rows += row.try_get::<i64, _>("rows")?;
                compared.differing += row.try_get::<i64, _>("differing")?;
            }
            if let Some(key) = row.try_get::<Option<String>, _>("key")?
                && compared.examples.len() < EXAMPLES_MAX
            {
                compared.examples.push(Difference {
                    row: format!("{} ({key})", self.name(self.rebuild.generation)),
                    live: row.try_get("live")?,
                    rebuilt: row.try_get("rebuilt")?,
                });
            }
        }
        Ok(())
    }

    /// `(k1, k2) > ($1::t1, $2::t2) and (k1, k2) <= ($3::t1, $4::t2)`, as far as there are bounds.
    fn bounds(&self, ends: bool) -> String {
        let mut bounds = Vec::new();
        let mut given = 0;
        for (there, compare) in [(self.after.is_some(), ">"), (ends, "<=")] {
            if there {
                let values = self.listed(|_, index| format!("${}::{}", given + index + 1, self.key[index].1));
                bounds.push(format!("({}) {compare} ({values})", self.columns()));
                given += self.key.len();
            }
        }
        if bounds.is_empty() { "true".to_owned() } else { bounds.join(" and ") }
    }

    fn bound<'q>(
        &'q self,
        mut query: Query<'q, Postgres, PgArguments>,
        up_to: Option<&'q [String]>,
    ) -> Query<'q, Postgres, PgArguments> {
        for value in self.after.iter().flatten().chain(up_to.into_iter().flatten()) {
            query = query.bind(value);
        }
        query
    }

    fn name(&self, generation: i32) -> String {
        table::name(self.rebuild.model.name, generation, self.table.suffix)
    }

    fn columns(&self) -> String {
        self.listed(|column, _| column.to_owned())
    }

    fn listed(&self, write: impl Fn(&str, usize) -> String) -> String {
        self.key.iter().enumerate().map(|(index, (column, _))| write(column, index)).collect::<Vec<_>>().join(", ")
    }
}
