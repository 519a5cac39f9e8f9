//! What somebody may do to stored events, drawn from a number.

/// One way of tampering.
#[derive(Debug)]
pub(super) struct Tamper {
    pub(super) kind: Kind,
    /// Everything after it is numbered and chained anew.
    pub(super) perfect: bool,
    /// For what is made up.
    salt: u64,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// One column of one row.
    Edit { position: i64, column: &'static str, value: &'static str },
    /// A row is put where there was none: the one at its position and all after it move up, or nothing does.
    Insert { position: i64 },
    /// Rows of the middle are gone.
    Delete { first: i64, last: i64 },
    /// The newest rows are gone.
    Truncate { first: i64 },
    /// Two rows change places.
    Swap { one: i64, other: i64 },
    /// One row goes to another place, and those between make room.
    Reorder { from: i64, to: i64 },
    /// What happened at two positions is exchanged.
    Exchange { one: i64, other: i64 },
    /// The store claims to have begun with something else.
    Genesis,
}

/// What an edit writes; `$` is what is made up.
const EDITS: [(&str, &str); 20] = [
    ("position", "position + 1000"),
    ("aggregate_type", "aggregate_type || 'x'"),
    ("aggregate_id", "aggregate_id || ' $'"),
    ("aggregate_id", "'jar of $'"),
    ("sequence", "sequence + 1000"),
    ("event_id", "gen_random_uuid()"),
    ("event_type", "event_type || 'x'"),
    ("event_type", "'CoinTaken'"),
    ("event_version", "'2'"),
    ("payload", "'{\"coins\": $}'"),
    ("payload", "(payload::text || ' ')::json"),
    ("payload", "replace(payload::text, 'coin ', 'coin  ')::json"),
    ("metadata", "'{\"actor\": \"$\"}'"),
    ("metadata", "(metadata::text || ' ')::json"),
    ("recorded_at", "recorded_at + interval '1 microsecond'"),
    ("recorded_at", "recorded_at - interval '1 day'"),
    ("recorded_at", "'infinity'"),
    ("chain", "set_byte(chain, 31, get_byte(chain, 31) # 1)"),
    ("chain", "substr(chain, 1, 31)"),
    ("chain", "''"),
];
/// Those after which rows can still be numbered and chained so that nothing shows.
const PERFECT_COLUMNS: [&str; 6] = ["aggregate_id", "event_id", "event_type", "event_version", "payload", "metadata"];

/// Numbers every aggregate's events, keeps times from going back, and chains: what the walk would check.
const MAKE_PERFECT: &str = "
    update events e set sequence = r.n + 100000
      from (select position, row_number() over (partition by aggregate_type, aggregate_id order by position) as n
              from events) r
     where r.position = e.position;
    update events set sequence = sequence - 100000;
    do $do$
    declare
        e events;
        link bytea := (select sha256(uuid_send(genesis)) from store);
        newest timestamptz := '-infinity';
    begin
        for e in select * from events order by position loop
            newest := greatest(newest, e.recorded_at);
            e.recorded_at := newest;
            link := chain_after(link, e);
            update events set chain = link, recorded_at = newest
             where position = e.position and (chain, recorded_at) is distinct from (link, newest);
        end loop;
    end
    $do$";

/// Random numbers that follow from a seed (SplitMix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn between(&mut self, first: i64, last: i64) -> i64 {
        first + i64::try_from(self.next() % u64::try_from(last - first + 1).unwrap()).unwrap()
    }

    /// Two positions, the smaller first.
    fn two(&mut self, last: i64) -> (i64, i64) {
        let (one, other) = (self.between(1, last), self.between(1, last - 1));
        let other = if other >= one { other + 1 } else { other };
        (one.min(other), one.max(other))
    }
}

/// The tamper with this number, on a store of so many events.
pub(super) fn draw(number: u64, events: i64) -> Tamper {
    let mut draw = Draw(number);
    let (choice, wish) = (draw.between(0, 99), draw.between(0, 3) == 0);
    let (one, other) = draw.two(events);
    let edit = &EDITS[usize::try_from(draw.between(0, 19)).unwrap()];
    let kind = match choice {
        0..40 => Kind::Edit { position: draw.between(1, events), column: edit.0, value: edit.1 },
        40..52 => Kind::Insert { position: draw.between(1, events) },
        52..64 => Kind::Delete { first: one, last: draw.between(one, (one + 5).min(events - 1)) },
        64..72 => Kind::Truncate { first: one + 1 },
        72..82 => Kind::Swap { one, other },
        82..90 if draw.between(0, 1) == 0 => Kind::Reorder { from: one, to: other },
        82..90 => Kind::Reorder { from: other, to: one },
        90..98 => Kind::Exchange { one, other },
        _ => Kind::Genesis,
    };
    let can = match &kind {
        Kind::Edit { column, .. } => PERFECT_COLUMNS.contains(column),
        _ => true,
    };
    let perfect = matches!(kind, Kind::Truncate { .. }) || can && wish;
    Tamper { kind, perfect, salt: draw.next() % 1_000_000 }
}

impl Kind {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "edit",
            Self::Insert { .. } => "insert",
            Self::Delete { .. } => "delete",
            Self::Truncate { .. } => "truncate",
            Self::Swap { .. } => "swap",
            Self::Reorder { .. } => "reorder",
            Self::Exchange { .. } => "exchange",
            Self::Genesis => "genesis",
        }
    }
}

impl Tamper {
    /// Where the store is first another one.
    pub(super) fn first_touched(&self) -> i64 {
        match self.kind {
            Kind::Edit { position, .. } | Kind::Insert { position } => position,
            Kind::Delete { first, .. } | Kind::Truncate { first } => first,
            Kind::Swap { one, .. } | Kind::Exchange { one, .. } => one,
            Kind::Reorder { from, to } => from.min(to),
            Kind::Genesis => 1,
        }
    }

    /// What is done, in a transaction of its own.
    pub(super) fn statements(&self) -> Vec<String> {
        let mut all = vec!["set local session_replication_role = replica".to_owned()];
        match &self.kind {
            Kind::Edit { position, column, value } => {
                let value = value.replace('$', &self.salt.to_string());
                all.push(format!("update events set {column} = {value} where position = {position}"));
            }
            Kind::Insert { position } => {
                all.push(shift(*position, i64::MAX, 1));
                all.push(format!(
                    "insert into events select {position}, aggregate_type, 'jar of {}', 1, gen_random_uuid(),
                            event_type, event_version, payload, metadata, recorded_at, chain
                       from events where position = {position} + 1",
                    self.salt
                ));
            }
            Kind::Delete { first, last } => {
                all.push(format!("delete from events where position between {first} and {last}"));
                if self.perfect {
                    all.push(shift(last + 1, i64::MAX, first - last - 1));
                }
            }
            Kind::Truncate { first } => all.push(format!("delete from events where position >= {first}")),
            Kind::Swap { one, other } => {
                all.push(shift(*one, *one, other - one + 5_000));
                all.push(shift(*other, *other, one - other));
                all.push(shift(other + 5_000, other + 5_000, -5_000));
            }
            Kind::Reorder { from, to } => {
                all.push(shift(*from, *from, to - from + 5_000));
                let (first, last, by) = if from < to { (from + 1, *to, -1) } else { (*to, from - 1, 1) };
                all.push(shift(first, last, by));
                all.push(shift(to + 5_000, to + 5_000, -5_000));
            }
            Kind::Exchange { one, other } => all.push(format!(
                "update events e set payload = o.payload, metadata = o.metadata from events o
                  where (e.position, o.position) in (({one}, {other}), ({other}, {one}))"
            )),
            Kind::Genesis => all.push("update store set genesis = gen_random_uuid()".to_owned()),
        }
        if self.perfect && !matches!(self.kind, Kind::Truncate { .. }) {
            all.push(MAKE_PERFECT.to_owned());
        }
        all
    }
}

/// Moves rows by way of positions that nobody has, because two may not be the same even for a moment.
fn shift(first: i64, last: i64, by: i64) -> String {
    format!(
        "update events set position = position + 100000 where position between {first} and {last};
         update events set position = position - 100000 + {by} where position > 50000"
    )
}
