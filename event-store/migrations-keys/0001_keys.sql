-- The keys of everybody whose personal data is sealed in events. They lie apart from the events, by choice in another
-- database, and are dumped apart: who destroys a key here erases the person everywhere, also in old backups of events.

create table subject_keys (
    subject    text        primary key,
    key_id     uuid        unique,      -- stands in every sealed value; null if the subject was erased before it had one
    wrapped    bytea,                   -- nonce and the key, encrypted by the master key; null once erased
    made_at    timestamptz not null default now(),
    erased_at  timestamptz,             -- from then on this row is a tombstone: the subject never gets a key again
    constraint erased_or_wrapped check ((wrapped is null) = (erased_at is not null)),
    constraint wrapped_has_a_name check (wrapped is null or key_id is not null)
);

-- Recognises the master key, so that a wrong one is noticed at the start and not when the first key fails to open.
create table master_key (
    single      boolean primary key default true check (single),
    fingerprint bytea   not null
);
