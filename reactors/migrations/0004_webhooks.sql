-- Who outside wants to hear of events: their URL, what they want, and the secret by which they know us, sealed.
create table webhooks (
    webhook uuid primary key,
    url text not null,
    description text not null,
    -- Empty: all.
    contexts text[] not null,
    types text[] not null,
    aggregate text,
    secret json not null,
    state text not null default 'active' check (state in ('active', 'paused', 'disabled')),
    -- Why it is disabled.
    reason text,
    created_by text not null,
    -- What was asked for when it was made, so that a repeat is known.
    fingerprint bytea not null,
    created_at timestamptz not null default now(),
    version bigint not null default 1
);
create index on webhooks (created_at, webhook);

-- Up to where each has read each store.
create table webhook_places (
    webhook uuid not null references webhooks on delete cascade,
    context text not null,
    history uuid not null,
    position bigint not null,
    -- The event that stands there; none at 0.
    event_id uuid,
    primary key (webhook, context)
);

-- What is to be delivered, and what became of it.
create table webhook_deliveries (
    number bigint generated always as identity primary key,
    webhook uuid not null references webhooks on delete cascade,
    -- The id by which the receiver knows a repeat.
    message text not null,
    event_type text not null,
    -- Type and id of an aggregate: within a lane one goes after another.
    lane text not null,
    -- Until it is delivered or skipped.
    body text,
    state text not null default 'waiting' check (state in ('waiting', 'parked', 'delivered', 'skipped')),
    attempts integer not null default 0,
    due timestamptz,
    noted_at timestamptz not null default now(),
    ended_at timestamptz,
    -- Of the last attempt.
    status integer,
    error text,
    unique (webhook, message)
);
create index on webhook_deliveries (webhook, lane, number) where state in ('waiting', 'parked');
create index on webhook_deliveries (webhook, due) where state = 'waiting';
create index on webhook_deliveries (webhook, number);
create index on webhook_deliveries (ended_at) where ended_at is not null;

-- Grows when a person has changed something, so that whoever delivers looks again.
create table webhook_changes (changes bigint not null);
insert into webhook_changes values (0);
