//! Events that no command would lead to.

/// SQL that appends an event past the commands, chained as it must be. The columns from `aggregate_type` to
/// `recorded_at` are expressions, as they stand in the table.
#[must_use]
pub fn append_chained(schema: &str, columns: &str) -> String {
    format!(
        "set search_path = {schema};
        do $$
        declare
            e events;
            head record;
        begin
            select * into head from newest();
            e := row(head.position + 1, {columns}, '')::events;
            e.chain := chain_after(head.chain, e);
            insert into events select (e).*;
        end $$"
    )
}
