//! Hands events on to a receiver: for each aggregate one after another, otherwise side by side.

use std::collections::{HashMap, VecDeque};

use event_schemas::{Context, dotted_name};
use reactors::webhooks::{Message, Outcome, Pace, Secret, Sender};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::follow::{Event, Follower};
use crate::output;

/// How many are under way at once.
const AT_ONCE_MAX: usize = 16;
/// How many may be in hand; meanwhile the others stay where they are.
const IN_HAND_MAX: usize = 256;

/// Why it ended.
pub enum Ended {
    /// As many were taken as were wanted.
    Counted,
    /// The receiver did not take one.
    NotTaken(String),
}

/// What is in hand.
pub struct Forwarder {
    follower: Follower,
    sender: Sender,
    url: String,
    secret: Secret,
    pace: Pace,
    lanes: HashMap<String, VecDeque<Parcel>>,
    /// Lanes whose first can be sent.
    ready: VecDeque<String>,
    under_way: JoinSet<Result<(Parcel, u16), String>>,
    order: Order,
}

struct Parcel {
    number: u64,
    lane: String,
    /// For people.
    what: String,
    message: Message,
}

/// Which events in their order were taken, to say where to go on.
#[derive(Default)]
struct Order {
    /// The number of the first in hand.
    first: u64,
    /// Their places, and whether they were taken.
    in_hand: VecDeque<(String, bool)>,
    taken_up_to: Option<String>,
    taken: u64,
}

impl Order {
    fn next(&mut self, id: String) -> u64 {
        self.in_hand.push_back((id, false));
        self.first + self.in_hand.len() as u64 - 1
    }

    fn taken(&mut self, number: u64) {
        self.taken += 1;
        let index = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        if let Some((_, taken)) = self.in_hand.get_mut(index) {
            *taken = true;
        }
        while self.in_hand.front().is_some_and(|(_, taken)| *taken) {
            self.taken_up_to = self.in_hand.pop_front().map(|(id, _)| id);
            self.first += 1;
        }
    }
}

impl Forwarder {
    /// Nothing is sent yet.
    #[must_use]
    pub fn new(follower: Follower, sender: Sender, url: String, secret: Secret, pace: Pace) -> Self {
        let (lanes, ready, under_way, order) = Default::default();
        Self { follower, sender, url, secret, pace, lanes, ready, under_way, order }
    }

    /// The place up to which everything was taken.
    #[must_use]
    pub fn taken_up_to(&self) -> Option<&str> {
        self.order.taken_up_to.as_deref()
    }

    /// Sends until so many were taken, or one is not.
    ///
    /// # Errors
    /// If events cannot be followed, or standard output cannot be written.
    pub async fn run(&mut self, count: Option<u64>) -> anyhow::Result<Ended> {
        let wanted = count.unwrap_or(u64::MAX);
        while self.order.taken < wanted {
            self.send();
            let has_room = (self.order.in_hand.len() as u64).saturating_add(self.order.taken) < wanted
                && self.order.in_hand.len() < IN_HAND_MAX;
            tokio::select! {
                Some(ended) = self.under_way.join_next() => match ended? {
                    Ok((parcel, status)) => self.taken(parcel, status)?,
                    Err(why) => return Ok(Ended::NotTaken(why)),
                },
                event = self.follower.next(), if has_room => self.take(event?),
            }
        }
        Ok(Ended::Counted)
    }

    fn take(&mut self, Event { id, data }: Event) {
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        let lane = format!("{}/{}/{}", text("context"), text("aggregate_type"), text("aggregate_id"));
        let kind = match text("context").parse::<Context>() {
            Ok(context) => dotted_name(context, text("event_type")),
            Err(_) => text("event_type").to_owned(),
        };
        let id_of = text("event_id").parse::<Uuid>().unwrap_or_default();
        let what = format!("{kind} ({} {})", text("context"), data["position"]);
        let body: Value = json!({"type": kind, "timestamp": text("recorded_at"), "data": data});
        let message = Message { id: format!("msg_{}", id_of.simple()), body: body.to_string() };
        let number = self.order.next(id);
        let first = !self.lanes.contains_key(&lane);
        self.lanes.entry(lane.clone()).or_default().push_back(Parcel { number, lane: lane.clone(), what, message });
        if first {
            self.ready.push_back(lane);
        }
    }

    fn send(&mut self) {
        while self.under_way.len() < AT_ONCE_MAX {
            let Some(lane) = self.ready.pop_front() else { return };
            let Some(parcel) = self.lanes.get_mut(&lane).and_then(VecDeque::pop_front) else { continue };
            let (sender, url) = (self.sender.clone(), self.url.clone());
            let (secret, pace) = (self.secret.clone(), self.pace);
            self.under_way.spawn(async move { attempt(&sender, &url, &secret, pace, parcel).await });
        }
    }

    fn taken(&mut self, parcel: Parcel, status: u16) -> anyhow::Result<()> {
        let Parcel { number, lane, what, message } = parcel;
        output::line(format!("{status}  {what}  {}", message.id))?;
        self.order.taken(number);
        if self.lanes.get(&lane).is_some_and(VecDeque::is_empty) {
            self.lanes.remove(&lane);
        } else {
            self.ready.push_back(lane);
        }
        Ok(())
    }
}

/// Sends until it is taken; or says why it is not.
async fn attempt(
    sender: &Sender,
    url: &str,
    secret: &Secret,
    pace: Pace,
    parcel: Parcel,
) -> Result<(Parcel, u16), String> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (why, asked) = match sender.send(url, std::slice::from_ref(secret), &parcel.message).await {
            Outcome::Delivered(status) => return Ok((parcel, status)),
            Outcome::Gone => {
                return Err(format!("{url} answered 410 Gone to {}: it wants nothing any more", parcel.what));
            }
            Outcome::Failed { why, retry_after, .. } => (why, retry_after),
        };
        let Some(wait) = pace.after(attempts, chance(&parcel.message.id, attempts), asked) else {
            return Err(format!("{} was not taken after {attempts} attempts: {why}", parcel.what));
        };
        eprintln!("{}: {why}; again in {:.1} s", parcel.what, wait.as_secs_f64());
        tokio::time::sleep(wait).await;
    }
}

/// Spreads what failed together: another number for each message and attempt.
fn chance(id: &str, attempts: i32) -> f64 {
    let mixed = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{id} {attempts}").as_bytes());
    f64::from(mixed.as_bytes()[0]) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_after_the_last_before_which_everything_was_taken() {
        let mut order = Order::default();
        let numbers: Vec<_> = ["a", "b", "c"].into_iter().map(|id| order.next(id.to_owned())).collect();
        order.taken(numbers[1]);
        assert_eq!((order.taken_up_to.as_deref(), order.taken), (None, 1));
        order.taken(numbers[0]);
        assert_eq!(order.taken_up_to.as_deref(), Some("b"));
        let next = order.next("d".to_owned());
        order.taken(next);
        assert_eq!(order.taken_up_to.as_deref(), Some("b"));
        order.taken(numbers[2]);
        assert_eq!((order.taken_up_to.as_deref(), order.in_hand.len(), order.taken), (Some("d"), 0, 4));
    }
}
