-- Mail that follows from events: one row for each event of which somebody is told, from then on for good. It is the
-- record by which no event is told of twice. Neither addresses nor texts stand here.
create table mails (
    event_id uuid primary key,
    number bigint generated always as identity unique,
    policy text not null,
    context text not null,
    position bigint not null,
    -- About what it is, and from what it is written when it is sent.
    letter json not null,
    state text not null default 'due'
        check (state in ('due', 'sending', 'sent', 'no_recipient', 'parked', 'skipped')),
    tries integer not null default 0,
    -- Why it was not sent, in words without personal data.
    why text,
    noted_at timestamptz not null default clock_timestamp(),
    changed_at timestamptz not null default clock_timestamp(),
    -- When it is to be handed over next; null: not any more, or not before a person has said so.
    due timestamptz default clock_timestamp(),
    check ((due is not null) = (state in ('due', 'sending')))
);
create index on mails (policy, due) where due is not null;
create index on mails (number) where state = 'parked';

-- Where mail lies that is handed to nobody because no server was named. Each is sealed with the key of who gets it.
create table inbox (
    id uuid primary key,
    number bigint generated always as identity unique,
    kind text not null,
    about uuid not null,
    received_at timestamptz not null default clock_timestamp(),
    mail json not null
);
