-- Appends a batch if the newest event is the one it was decided on, and looks up answers given before. One call is one
-- transaction and one round trip. The lock comes first and in a statement of its own, so that what follows sees all
-- that other holders committed, and so that whoever takes the lock next knows that this call is over. A batch that only
-- keeps answers takes it too: else two processes could look for an answer to one key, both find none and give two.
--
-- In the place of the first `append`: some aggregates were not looked up but presumed to have no event yet. If one has,
-- nothing is written, as when the store has moved on; the lock keeps everybody from beginning it in between. And it is
-- called for every single command, so it says less: a statement costs its start and end, whatever it does.
drop function append;

create function append(
    lock_key bigint, old_position bigint, old_chain bytea, presumed_types text[], presumed_ids text[],
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
    select e.position, e.chain into head from events e order by e.position desc limit 1;
    if not found then
        select * into head from newest();
    end if;
    appended := head.position = old_position and head.chain = old_chain;
    if not appended then
        return;
    end if;
    if cardinality(presumed_ids) > 0 then
        -- By the whole unique key, and `limit 1` keeps it a look-up: a plan that was made when the store was small must
        -- not become a walk through all events.
        perform from unnest(presumed_types, presumed_ids) as p (aggregate_type, aggregate_id)
                join lateral (select from events e
                               where e.aggregate_type = p.aggregate_type and e.aggregate_id = p.aggregate_id
                                 and e.sequence = 1 limit 1) e on true;
        if found then
            appended := false;
            return;
        end if;
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
                                     payload, metadata, recorded_at, chain, n);
    end if;
    if true = any (firsts) then
        -- An answer that comes with events must be the first under its key; a second one fails the whole batch.
        insert into commands (caller, idempotency_key, fingerprint, answer, position)
        select a.caller, a.key, a.fingerprint, a.answer::json, a.position
          from unnest(callers, keys, fingerprints, answers, answer_positions, firsts)
               as a (caller, key, fingerprint, answer, position, first)
         where a.first;
    end if;
    if false = any (firsts) then
        insert into commands (caller, idempotency_key, fingerprint, answer, position)
        select a.caller, a.key, a.fingerprint, a.answer::json, a.position
          from unnest(callers, keys, fingerprints, answers, answer_positions, firsts)
               as a (caller, key, fingerprint, answer, position, first)
         where not a.first
            on conflict do nothing;
    end if;
end
$$;
