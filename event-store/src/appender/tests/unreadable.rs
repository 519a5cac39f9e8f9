//! An aggregate that cannot be read: all who wait for it hear so at once, and nobody else does.

use std::time::{Duration, Instant};

use envelope::{History, Position, Timestamp};
use tokio::sync::oneshot;

use crate::appender::batch::Found;
use crate::appender::batcher::{Batcher, Limits};
use crate::appender::decision::{Answer, Rejection, Stream, Submission};
use crate::appender::loading::LoadedStreams;
use crate::appender::settlement::{Bounds, Learned, Next, Settlement};
use crate::simulation::gate::{GateCommand, Part, Wants, name, step};
use crate::simulation::store::StoreModel;
use crate::{IdempotencyKey, StoreError};

const UNREADABLE: usize = 0;

struct Waiting {
    batcher: Batcher,
    store: StoreModel,
    /// The gates that were asked, and the answer to come.
    asked: Vec<(Vec<usize>, oneshot::Receiver<Answer>)>,
}

impl Waiting {
    fn new() -> Self {
        let history = History(uuid::Uuid::nil());
        let limits =
            Limits { batch_events_max: 8, cache_aggregates_max: 100, partitions: 6, history, new_run_min: u32::MAX };
        let store = StoreModel::new();
        Self { batcher: Batcher::new(limits, store.newest()), store, asked: vec![] }
    }

    /// Commands on the unreadable gate, alone, with another one and under one key, between commands on others.
    fn ask_for_everything(&mut self) {
        for (gates, key) in [
            (vec![UNREADABLE], None),
            (vec![1], None),
            (vec![UNREADABLE], Some("key")),
            (vec![UNREADABLE], Some("key")),
            (vec![UNREADABLE], Some("key")),
            (vec![2, UNREADABLE], None),
            (vec![2], Some("another key")),
        ] {
            self.ask(gates, key);
        }
    }

    fn ask(&mut self, gates: Vec<usize>, key: Option<&str>) {
        let wants = Wants::Command(GateCommand::Pass { by: 1, times: 1 });
        let parts = gates.iter().map(|gate| Part { gate: *gate, expected: None, wants });
        let (answer, answered) = oneshot::channel();
        let submission = Submission {
            steps: parts.map(|part| step(&part, &self.store.codec)).collect(),
            key: key.map(|key| IdempotencyKey { caller: String::new(), key: key.to_owned(), fingerprint: [1; 32] }),
            metadata: "".into(),
            deadline: Instant::now() + Duration::from_secs(5),
            sent: false,
            sent_as: vec![],
            answer,
        };
        self.asked.push((gates, answered));
        self.batcher.arrive(submission, Timestamp::default());
    }

    fn read(&self, streams: &[Stream]) -> LoadedStreams {
        let mut loaded = self.store.load_all(streams);
        for (_, result) in loaded.iter_mut().filter(|(id, _)| *id.aggregate_id == name(UNREADABLE)) {
            *result = Err(StoreError::Damaged { position: Position(7), reason: "it is torn".to_owned() });
        }
        loaded
    }

    /// Everybody is answered as is due to him.
    fn judge(mut self) {
        let base = self.batcher.head();
        let rows = self.batcher.cut().expect("the others were decided");
        let mut found = self.store.append(&base, &rows).unwrap().expect("nobody else appends");
        for (gates, answered) in &mut self.asked {
            let answer = answered.try_recv().ok();
            let unreadable = matches!(answer, Some(Err(Rejection::Broken(StoreError::Damaged { .. }))));
            assert_eq!(unreadable, gates.contains(&UNREADABLE), "{gates:?}: {answer:?}");
        }
        self.batcher.written(&mut found, Timestamp::default());
        let others = self.asked.into_iter().filter(|(gates, _)| !gates.contains(&UNREADABLE));
        others.for_each(|(gates, mut answered)| assert!(matches!(answered.try_recv(), Ok(Ok(_))), "{gates:?}"));
        assert!(self.batcher.is_idle());
    }
}

#[test]
fn all_who_wait_for_it_hear_so_after_one_read() {
    let mut waiting = Waiting::new();
    waiting.ask_for_everything();
    let wanted = waiting.batcher.wanted();
    let streams = waiting.read(&wanted);
    waiting.batcher.loaded(streams, Timestamp::default());
    waiting.judge();
}

#[test]
fn all_who_are_decided_again_hear_so_after_one_read() {
    let mut waiting = Waiting::new();
    waiting.ask(vec![UNREADABLE], None); // It waits for a read that the slow path anticipates.
    let _ = waiting.batcher.wanted();
    waiting.batcher.fail();
    waiting.ask_for_everything();
    let missing = waiting.batcher.missing(16);
    let streams = waiting.read(&missing);
    waiting.batcher.preloaded(streams);
    waiting.batcher.decide_again(16, &Found::new(), Timestamp::default());
    waiting.batcher.settled(Timestamp::default());
    waiting.judge();
}

#[test]
fn what_no_command_is_to_blame_for_is_waited_out() {
    let mut waiting = Waiting::new();
    waiting.ask(vec![1], None);
    let bounds = Bounds { tail_page_events: 3, tail_events_max: 12, commands_max: 16 };
    let began = Instant::now();
    let (mut settlement, _) = Settlement::begin(bounds, &mut waiting.batcher, true, began);
    for seconds in 0..3 {
        let refused = Learned::Failed(sqlx::Error::RowNotFound.into());
        let instant = began + Duration::from_secs(seconds);
        let next = settlement.next(refused, &mut waiting.batcher, Timestamp::default(), instant);
        assert!(matches!(next, Next::Wait(pause) if pause.refusing == (seconds > 1)));
        let next = settlement.next(Learned::Waited, &mut waiting.batcher, Timestamp::default(), instant);
        assert!(matches!(next, Next::Connect { .. }));
    }
    assert!(waiting.asked[0].1.try_recv().is_err(), "it is not answered before its time is up");
}
