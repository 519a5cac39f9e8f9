-- How far the relay has carried the events into their topic. One row, written by the leader only (`where term = mine`)
-- and at most every 250 ms, so it may lag behind the topic but never runs ahead of it.
-- Arrays have one element per partition; they are empty until a relay has led for the first time.
create table relay (
    only_row      boolean     primary key default true check (only_row),
    history       uuid        not null,              -- what the positions below mean
    term          bigint      not null default 0,    -- counts leaders, so that one whose time is over writes nothing
    checkpoint    bigint      not null default 0,    -- every event up to here is acknowledged
    last_position bigint[]    not null default '{}', -- per partition: it and all before it are acknowledged
    last_offset   bigint[]    not null default '{}', -- where that record stands in the log; -1 if the broker did not say
    first_offset  bigint[]    not null default '{}', -- where the log began when it was first seen or last emptied
    log_begins    bigint[]    not null default '{}', -- the log holds what comes after this position; 0 is all of it
    saved_at      timestamptz not null default clock_timestamp()
);
insert into relay (history) select history from store;
