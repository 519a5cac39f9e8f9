-- What the runner of projections remembers, beside the rows themselves: all in the schema `read`, to which migrations are
-- applied with it as search path.

-- A read model is built in generations: one is live (the view `<name>` shows its table), one may be building beside it.
create table generations (
    projection text        not null,
    generation integer     not null,
    version    integer     not null, -- of the code that fills it
    state      text        not null check (state in ('live', 'building', 'retired')),
    made_at    timestamptz not null default now(),
    primary key (projection, generation)
);
create unique index one_live_generation on generations (projection) where state = 'live';

-- How far each generation has come. Moves in the same transaction as the rows, compared and set first; partition -1 is the
-- whole store, read by position.
create table checkpoints (
    projection   text        not null,
    generation   integer     not null,
    context      text        not null,
    partition    integer     not null,
    history      uuid        not null,
    position     bigint      not null,
    event_id     uuid,                 -- of the event at that position: another one there means that the store lost events
    topic_offset bigint,               -- where the feed may begin; a hint, never the truth
    updated_at   timestamptz not null default now(),
    primary key (projection, generation, context, partition),
    foreign key (projection, generation) references generations on delete cascade
) with (fillfactor = 50); -- room for the new version of a row beside the old one, as these change with every batch

-- Events that could not be applied, with all later ones of their aggregate behind them.
create table parked (
    projection     text        not null,
    generation     integer     not null,
    context        text        not null,
    position       bigint      not null,
    aggregate_type text        not null,
    aggregate_id   text        not null,
    event_id       uuid        not null,
    event_type     text        not null,
    reason         text        not null, -- for those behind: which position they wait for
    parked_at      timestamptz not null default now(),
    primary key (projection, generation, context, position),
    foreign key (projection, generation) references generations on delete cascade
);
create index parked_by_aggregate on parked (projection, generation, context, aggregate_type, aggregate_id);

-- Events that somebody decided to leave out. Named by event, so that it holds in every rebuild.
create table skips (
    projection text        not null,
    event_id   uuid        not null,
    reason     text        not null,
    skipped_by text        not null,
    skipped_at timestamptz not null default now(),
    primary key (projection, event_id)
);

-- Who wants a partition that another process holds. A claim is renewed while it is meant and ends by age.
create table claims (
    projection text        not null,
    partition  integer     not null,
    process    uuid        not null,
    forced     boolean     not null, -- a rebuild takes precedence over any share
    renewed_at timestamptz not null default now(),
    primary key (projection, partition, process)
);

-- The runner's own sign of life and lag: a checkpoint that stands still says nothing about whether anybody is there.
create table heartbeats (
    projection  text             not null,
    process     uuid             not null,
    partitions  integer[]        not null,
    state       text             not null,
    lag_events  bigint,           -- unknown while it could not even begin
    lag_seconds double precision,
    beat_at     timestamptz      not null default now(),
    primary key (projection, process)
);
