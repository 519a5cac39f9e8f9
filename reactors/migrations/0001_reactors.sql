-- What follows from events and is not done yet. Unlike the schema `read` this one cannot be built again: what was sent
-- is removed, and what will be sent stands nowhere else.

-- How far each policy has read each store.
create table checkpoints (
    policy text not null,
    context text not null,
    history uuid not null,
    position bigint not null,
    -- The event that stands there; none at 0.
    event_id uuid,
    primary key (policy, context)
);

-- Commands that are to be sent, in the order in which they were noted. One that was answered is removed.
create table dispatches (
    number bigint generated always as identity primary key,
    policy text not null,
    -- What led to it, and which of several things that did.
    context text not null,
    position bigint not null,
    ordinal integer not null,
    event_id uuid not null,
    -- The event's cause: actor, correlation, trace.
    cause json not null,
    target_type text not null,
    target_id text not null,
    dispatch json not null,
    noted_at timestamptz not null default now(),
    -- Why it was refused: then it waits for a person, and what is for the same aggregate waits behind it.
    parked text,
    unique (policy, context, position, ordinal)
);
create index on dispatches (policy, number);

-- Commands that are to be sent later: the agenda.
create table timers (
    policy text not null,
    name text not null,
    about text not null,
    why text not null,
    due timestamptz not null,
    context text not null,
    position bigint not null,
    ordinal integer not null,
    event_id uuid not null,
    cause json not null,
    target_type text not null,
    target_id text not null,
    dispatch json not null,
    primary key (policy, name, about)
);
create index on timers (policy, due);
create index on timers (due, policy, name, about);

-- Grows when a person has settled something parked, so that whoever runs the policies reads the table again.
create table lanes (settled bigint not null);
insert into lanes values (0);

-- What is asked of a provider outside: one row for each operation, from the event that asks for it until its outcome is
-- final. It stays as the record of what was asked for.
create table effects (
    operation uuid primary key,
    policy text not null,
    context text not null,
    position bigint not null,
    event_id uuid not null,
    cause json not null,
    request json not null,
    -- What is known of it: as `Effect` has it, stored before the provider is asked.
    effect json not null,
    -- How many outcomes were noted to be recorded; each has an ordinal of its own.
    recorded integer not null default 0,
    -- When something is to be done next; null: nothing any more.
    due timestamptz
);
create index on effects (policy, due) where due is not null;
