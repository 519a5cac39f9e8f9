-- What the simulated payment provider remembers. It is somebody else's database in all but place: nothing of ours reads
-- it but tests and the verifier, and losing it is what losing the provider's books would be.

-- One row for each operation that was asked for, by the key that came with it.
create table operations (
    operation     uuid        primary key,
    kind          text        not null check (kind in ('authorize', 'capture', 'void', 'refund')),
    payment       uuid        not null,
    amount_minor  bigint      not null check (amount_minor > 0),
    currency      text        not null,
    method        text        not null,
    authorized_by text,                                 -- what was called the authorization; null if it is one
    calls         bigint      not null default 0,       -- how often it was asked for
    state         text        not null default 'unseen' -- unseen: the call was lost on its way, so nobody knows of it
                  check (state in ('unseen', 'pending', 'succeeded', 'failed')),
    code          text,                                 -- why it failed or what it waits for
    reason        text,
    action_url    text,
    asked_at      timestamptz not null default clock_timestamp(),
    confirmed_at  timestamptz
);
create index on operations (authorized_by);

-- Each movement of money, as it was made. No key forbids a second entry of an operation, so that one would be seen.
create table journal (
    entry        bigint      generated always as identity primary key,
    operation    uuid        not null,
    kind         text        not null,
    payment      uuid        not null,
    amount_minor bigint      not null,
    currency     text        not null,
    happened_at  timestamptz not null default clock_timestamp()
);
create index on journal (operation);
create index on journal (payment);
