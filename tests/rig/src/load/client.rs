//! One client: it asks until it is answered, and holds every answer against what it knows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_schemas::Context;
use reqwest::Method;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::asked::{Asked, Memory};
use super::stats::count;
use super::{Journal, Rate, Stats, Target};
use crate::dice::Dice;

/// Of a hundred requests, so many are made again at once.
const REPEATED_PERCENT: u64 = 15;
/// Of a hundred keys, so many are used again for something else.
const MISUSED_PERCENT: u64 = 3;
/// Of a hundred commands, so many are followed by a reader who wants to see them.
const READ_PERCENT: u64 = 25;
/// Readers of one client who wait at the same time.
const LOOKING_MAX: usize = 8;
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// See the module.
pub(crate) struct Client {
    http: reqwest::Client,
    target: Target,
    rate: Rate,
    dice: Dice,
    number: u32,
    memory: Memory,
    /// Readers who have not been answered yet. Nobody who asks for something waits for them.
    looking: JoinSet<()>,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, target: Target, rate: Rate, dice: Dice, number: u32) -> Self {
        let memory = Memory::new(number, target.wares.clone());
        Self { http, target, rate, dice, number, memory, looking: JoinSet::new() }
    }

    /// Asks until it is told to stop; what was begun is brought to an end.
    pub(crate) async fn run(mut self, stats: Arc<Stats>, journal: Arc<Journal>, stop: CancellationToken) {
        let every = self.rate.per_second.map(|rate| Duration::from_secs(1) * self.rate.clients / rate.max(1));
        let mut due = Instant::now();
        while !stop.is_cancelled() {
            while self.looking.try_join_next().is_some() {}
            let asked = self.memory.choose(&mut self.dice);
            self.settle(asked, &stats, &journal).await;
            if let Some(every) = every {
                due += every;
                let now = Instant::now();
                // What was missed while nobody answered is not made up for.
                due = due.max(now - every);
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(due.saturating_duration_since(now)) => {}
                }
            }
        }
        while self.looking.join_next().await.is_some() {}
    }

    /// Asks until it is settled, then does what suspicious clients do.
    async fn settle(&mut self, asked: Asked, stats: &Arc<Stats>, journal: &Journal) {
        let Some(answer) = self.until_settled(&asked, stats).await else {
            count(&stats.unknown);
            // It may have been done or not, and may be done twice over never.
            self.memory.forget(&asked.aggregate);
            return journal.note(&asked.line(0, 0, None, 0));
        };
        if answer.status == 409 && asked.may_conflict {
            count(&stats.conflicts);
            return self.memory.conflicted(&asked);
        }
        if !answer.is_success() {
            let Asked { method, path, .. } = &asked;
            return stats.wrong(format!("{method} {path} was answered {}: {:?}", answer.status, answer.body));
        }
        stats.answered();
        self.memory.learn(&asked, &answer);
        let mut replays = 0;
        if self.dice.percent(REPEATED_PERCENT) {
            replays = self.ask_again(&asked, &answer, stats).await;
        }
        journal.note(&asked.line(answer.version.unwrap_or_default(), answer.status, answer.body.clone(), replays));
        if self.dice.percent(MISUSED_PERCENT) {
            self.misuse(&asked, stats).await;
        }
        if self.dice.percent(READ_PERCENT) && self.rate.reads && self.looking.len() < LOOKING_MAX {
            self.look(&asked, answer, stats.clone());
        }
    }

    async fn until_settled(&mut self, asked: &Asked, stats: &Stats) -> Option<Answer> {
        let begun = Instant::now();
        let mut pause = PAUSE_MIN;
        let mut at = usize::try_from(self.number).unwrap_or_default();
        while begun.elapsed() < self.rate.patience {
            let to = &self.target.commands[at % self.target.commands.len()];
            let answer = self.ask(to, asked).await;
            if let Some(answer) = answer.filter(|answer| {
                if answer.status == 503 {
                    count(&stats.unavailable);
                }
                !answer.is_open()
            }) {
                return Some(answer);
            }
            count(&stats.retried);
            at += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        None
    }

    async fn ask(&self, to: &str, asked: &Asked) -> Option<Answer> {
        let content = if asked.method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let mut request = self
            .http
            .request(asked.method.clone(), format!("{to}{}", asked.path))
            .header("content-type", content)
            .header("idempotency-key", format!("\"{}\"", asked.key))
            .body(if asked.body.is_null() { String::new() } else { asked.body.to_string() });
        if let Some(version) = asked.if_match {
            request = request.header("if-match", format!("\"{version}\""));
        }
        Answer::read(request.send().await.ok()?).await
    }

    /// The same again must be answered the same, by whoever is asked.
    async fn ask_again(&mut self, asked: &Asked, before: &Answer, stats: &Stats) -> u32 {
        count(&stats.repeated);
        let Some(again) = self.until_settled(asked, stats).await else { return 0 };
        let same = (again.status, &again.body, again.version) == (before.status, &before.body, before.version);
        if !same {
            let Asked { method, path, key, .. } = asked;
            stats.wrong(format!(
                "I7: {method} {path} with key {key} was answered {} {:?} version {:?}, and again {} {:?} version {:?}",
                before.status, before.body, before.version, again.status, again.body, again.version
            ));
        }
        1
    }

    /// The key of one request must not answer another.
    async fn misuse(&mut self, asked: &Asked, stats: &Stats) {
        let Some(other) = asked.misused() else { return };
        if let Some(answer) = self.until_settled(&other, stats).await
            && answer.status != 422
        {
            let Asked { method, path, key, .. } = asked;
            stats.wrong(format!("I7: {method} {path}: key {key} was taken for another request: {}", answer.status));
        }
    }

    /// Who shows a token must see what it tells of.
    fn look(&mut self, asked: &Asked, answer: Answer, stats: Arc<Stats>) {
        let Some(token) = answer.token else {
            return stats.wrong(format!("{} was answered without a Consistency-Token", asked.path));
        };
        let path = if asked.context == Context::Orders { "orders" } else { "accounts" };
        let what = format!("{path}/{}", asked.aggregate);
        let told = answer.version.unwrap_or_default();
        let request = self.http.get(format!("{}/v1/{what}", self.target.queries)).header("consistency-token", token);
        self.looking.spawn(async move {
            let Ok(sent) = request.send().await else { return };
            if let Some(seen) = Answer::read(sent).await {
                judge(&what, told, &seen, &stats);
            }
        });
    }
}

fn judge(what: &str, told: i64, seen: &Answer, stats: &Stats) {
    match seen.status {
        200 => {
            count(&stats.read);
            let shown = seen.version.unwrap_or_default();
            if shown < told {
                stats.wrong(format!("I13: {what} was shown at version {shown}, the token said {told}"));
            }
        }
        503 => count(&stats.late),
        404 => stats.wrong(format!("I13: {what} was not there for the one who made it")),
        status if status < 500 => stats.wrong(format!("reading {what} was answered {status}")),
        _ => {}
    }
}
