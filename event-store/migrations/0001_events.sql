-- The event store of one context: a row is a fact, appended by one call per batch, changed by nobody.
-- Positions have no gaps and follow the order of commits, because a batch is inserted only directly after the event
-- whose chain it was built on (see the appender); so a reader may simply ask for what comes after a position.
create table events (
    position       bigint      primary key check (position > 0),
    aggregate_type text        not null,
    aggregate_id   text        not null,
    sequence       bigint      not null check (sequence > 0),
    event_id       uuid        not null,
    event_type     text        not null,
    event_version  text        not null,
    payload        json        not null, -- json, not jsonb: the chain covers these exact bytes
    metadata       json        not null, -- a flat map of strings
    recorded_at    timestamptz not null, -- never before that of the position before
    chain          bytea       not null,
    constraint one_event_per_sequence unique (aggregate_type, aggregate_id, sequence)
);

create function refuse_change() returns trigger language plpgsql as
$$ begin raise exception 'events are facts and are never changed'; end $$;
create trigger events_are_facts before update or delete or truncate on events
    for each statement execute function refuse_change();

-- One row. The genesis is drawn once: the chain before position 1 is sha256(genesis), for as long as the store lives.
-- The history says what positions mean. It is the genesis until the store loses events and `recover` begins another
-- one; the events that are left stay the same facts, so they keep their chain and the genesis stays what it was.
create table store (
    only_row boolean primary key default true check (only_row),
    genesis  uuid    not null,
    history  uuid    not null
);
insert into store (genesis, history) select id, id from gen_random_uuid() as id;

-- The idempotency ledger: what was answered to a caller's key. Never a body.
create table commands (
    caller          text        not null,
    idempotency_key text        not null,
    fingerprint     bytea       not null,
    answer          json        not null,
    position        bigint      not null, -- of the last event that the answer rests on
    recorded_at     timestamptz not null default clock_timestamp(),
    primary key (caller, idempotency_key)
);
create index commands_by_age on commands using brin (recorded_at);

-- A cache, never the truth: used only if the event it stands at is in the store and the shape is today's.
create table snapshots (
    aggregate_type text   not null,
    aggregate_id   text   not null,
    sequence       bigint not null,
    event_id       uuid   not null,
    shape          text   not null,
    state          json   not null,
    primary key (aggregate_type, aggregate_id)
);

-- What postgres-es 0.5 reads, in its form: the variant's name around its fields.
create view postgres_es_events as
    select aggregate_type, aggregate_id, sequence, event_type, event_version,
           json_build_object(event_type, payload) as payload, metadata
      from events;

-- Two statements, because one that also knows the empty store (a union) is planned as a walk through all events.
create function newest(out "position" bigint, out chain bytea) language plpgsql stable as
$$
begin
    select e.position, e.chain into newest.position, newest.chain from events e order by e.position desc limit 1;
    if not found then
        select 0, sha256(uuid_send(s.genesis)) into newest.position, newest.chain from store s;
    end if;
end
$$;

-- The answers that were given to these keys, or null if there are none. In PL/pgSQL because its plan is kept for as long
-- as the connection lives; a function in SQL is planned again by each call. `offset 0` keeps that plan from becoming a
-- join that reads the whole ledger: it may have been made when there were but a few answers.
create function stored_answers(sought_callers text[], sought_keys text[], out stored json) language plpgsql stable as
$$
begin
    select json_agg(json_build_object('caller', c.caller, 'key', c.idempotency_key, 'position', c.position,
                                      'fingerprint', encode(c.fingerprint, 'hex'), 'answer', c.answer))
      into stored
      from unnest(sought_callers, sought_keys) as s (caller, key)
      join lateral (select * from commands c
                     where c.caller = s.caller and c.idempotency_key = s.key offset 0) c on true;
end
$$;

-- Appends a batch if the newest event is the one it was decided on, and looks up answers given before. One call is one
-- transaction and one round trip. The lock comes first and in a statement of its own, so that what follows sees all
-- that other holders committed, and so that whoever takes the lock next knows that this call is over. A batch that only
-- keeps answers takes it too: else two processes could look for an answer to one key, both find none and give two.
create function append(
    lock_key bigint, old_position bigint, old_chain bytea,
    aggregate_types text[], aggregate_ids text[], sequences bigint[], event_ids uuid[], event_types text[],
    event_versions text[], payloads text[], metadatas text[], recorded timestamptz[], chains bytea[],
    callers text[], keys text[], fingerprints bytea[], answers text[], answer_positions bigint[], firsts boolean[],
    sought_callers text[], sought_keys text[],
    out appended boolean, out stored json
) language plpgsql as
$$
declare
    head record;
begin
    if cardinality(event_ids) > 0 or cardinality(keys) > 0 then
        perform pg_advisory_xact_lock(lock_key);
    end if;
    select * into head from newest();
    appended := head.position = old_position and head.chain = old_chain;
    if not appended then
        return;
    end if;
    if cardinality(sought_keys) > 0 then
        stored := stored_answers(sought_callers, sought_keys);
    end if;
    if cardinality(event_ids) > 0 then
        insert into events
        select old_position + b.n, b.aggregate_type, b.aggregate_id, b.sequence, b.event_id, b.event_type,
               b.event_version, b.payload::json, b.metadata::json, b.recorded_at, b.chain
          from unnest(aggregate_types, aggregate_ids, sequences, event_ids, event_types, event_versions, payloads,
                      metadatas, recorded, chains)
               with ordinality as b (aggregate_type, aggregate_id, sequence, event_id, event_type, event_version,
                                     payload, metadata, recorded_at, chain, n)
         order by b.n;
    end if;
    if cardinality(keys) > 0 then
        -- An answer that comes with events must be the first under its key; a second one fails the whole batch.
        insert into commands (caller, idempotency_key, fingerprint, answer, position)
        select a.caller, a.key, a.fingerprint, a.answer::json, a.position
          from unnest(callers, keys, fingerprints, answers, answer_positions, firsts)
               as a (caller, key, fingerprint, answer, position, first)
         where a.first;
        insert into commands (caller, idempotency_key, fingerprint, answer, position)
        select a.caller, a.key, a.fingerprint, a.answer::json, a.position
          from unnest(callers, keys, fingerprints, answers, answer_positions, firsts)
               as a (caller, key, fingerprint, answer, position, first)
         where not a.first
            on conflict do nothing;
    end if;
end
$$;

-- The chain of an event as an auditor computes it: every field with its length before it.
create function chain_after(previous bytea, e events) returns bytea language sql stable as
$$
    select sha256(string_agg(int8send(length(field)) || field, ''::bytea order by n))
      from unnest(array[
               previous, int8send(e.position), convert_to(e.aggregate_type, 'UTF8'), convert_to(e.aggregate_id, 'UTF8'),
               int8send(e.sequence), uuid_send(e.event_id), convert_to(e.event_type, 'UTF8'),
               convert_to(e.event_version, 'UTF8'),
               int8send((extract(epoch from e.recorded_at) * 1000000)::bigint),
               convert_to(e.payload::text, 'UTF8'), convert_to(e.metadata::text, 'UTF8')
           ]) with ordinality as f (field, n)
$$;
