use std::collections::HashMap;

use futures::executor::block_on;
use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::*;
use crate::registry::find;

type Gauges = Arc<Mutex<HashMap<String, f64>>>;

/// Keeps what gauges show.
#[derive(Default)]
struct Kept(Gauges);

struct Cell(String, Gauges);

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, value: f64) {
        self.1.lock().unwrap().insert(self.0.clone(), value);
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Cell(key.name().to_owned(), self.0.clone())))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn a_process_that_lost_its_partitions_shows_no_lag_any_more() {
    let (model, kept) = (find("orders").unwrap(), Kept::default());
    let (stores, shutdown) = (Stores::new([]), CancellationToken::new());
    let watched = Watched::start(&stores, &platform::progress::Progress::default(), &shutdown);
    metrics::with_local_recorder(&kept, || {
        show(model, Lag { events: 7, seconds: 3.0 });
        assert_eq!(kept.0.lock().unwrap()["handsel_projection_lag_events"], 7.0);
        assert!(block_on(beat(model, &Condition::Standby, &stores, &watched)).is_none());
    });
    let shown = kept.0.lock().unwrap();
    assert_eq!((shown["handsel_projection_lag_events"], shown["handsel_projection_lag_seconds"]), (0.0, 0.0));
}

#[test]
fn what_stops_keeps_where_it_was() {
    let pulse = Pulse::default();
    pulse.set(Condition::Following(Cursor::default()));
    pulse.stop("the store is away".to_owned(), false);
    pulse.stop("its rows are of another version".to_owned(), true);
    let Condition::Stopped(stopped) = pulse.get() else { panic!("it stopped") };
    assert!(stopped.needs_person && stopped.at.is_some());
}
