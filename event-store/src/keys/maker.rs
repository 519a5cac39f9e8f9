//! Makes keys: while one batch of new keys is written, the next one gathers.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use envelope::SubjectKey;
use platform::postgres::{answered, lend};
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::cache::Cache;
use super::{ANSWER_WAIT_MAX, KeysError, MasterKey};

/// How many keys are made in one transaction, at most.
const BATCH_KEYS_MAX: usize = 1_000;
/// How many requests may wait; the next ones wait for room.
const QUEUE_REQUESTS_MAX: usize = 8_192;

type Answer = Result<Option<SubjectKey>, KeysError>;
/// A subject as it stands in its row: an erased one has no wrapped key.
type Row = (String, Option<Uuid>, Option<Vec<u8>>);
/// Who waits for the key of which subject. Sorted, so that two processes take the rows in the same order.
type Asked = BTreeMap<String, Vec<oneshot::Sender<Answer>>>;

pub(super) struct Maker(mpsc::Sender<(String, oneshot::Sender<Answer>)>);

impl Maker {
    pub(super) fn start(pool: PgPool, master: Arc<MasterKey>, cache: Arc<Cache>) -> Self {
        let (requests, mut queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let desk = Desk { pool, master, cache };
        tokio::spawn(async move {
            let mut gathered = Vec::with_capacity(BATCH_KEYS_MAX);
            while queue.recv_many(&mut gathered, BATCH_KEYS_MAX).await > 0 {
                let mut asked = Asked::new();
                for (subject, answer) in gathered.drain(..) {
                    asked.entry(subject).or_default().push(answer);
                }
                desk.serve(asked).await;
            }
        });
        Self(requests)
    }

    pub(super) async fn make(&self, subject: String) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.0.send((subject, answer)).await.map_err(|_| KeysError::Closed)?;
        answered.await.map_err(|_| KeysError::Closed)?
    }
}

struct Desk {
    pool: PgPool,
    master: Arc<MasterKey>,
    cache: Arc<Cache>,
}

impl Desk {
    async fn serve(&self, mut asked: Asked) {
        let epoch = self.cache.epoch();
        let rows = match self.find_or_make(asked.keys().cloned().collect()).await {
            Ok(rows) => rows,
            Err(error) => {
                // Who asked may have gone away, here and below: then nobody wants to know.
                asked.into_values().flatten().for_each(|waiting| drop(waiting.send(Err(error.clone()))));
                return;
            }
        };
        for (subject, id, wrapped) in rows {
            let waiting = asked.remove(&subject).unwrap_or_default();
            let key = id.zip(wrapped).map(|(id, wrapped)| self.master.unwrap(id, subject, &wrapped)).transpose();
            if let Ok(Some(key)) = &key {
                self.cache.keep(epoch, key, Instant::now());
            }
            waiting.into_iter().for_each(|waiting| drop(waiting.send(key.clone())));
        }
    }

    async fn find_or_make(&self, subjects: Vec<String>) -> Result<Vec<Row>, KeysError> {
        let mut connection = lend(&self.pool).await?;
        let rows = answered(ANSWER_WAIT_MAX, self.find_or_make_on(&mut connection, subjects)).await?;
        connection.give_back();
        Ok(rows)
    }

    async fn find_or_make_on(
        &self,
        connection: &mut PgConnection,
        subjects: Vec<String>,
    ) -> Result<Vec<Row>, KeysError> {
        let (mut ids, mut wrapped) = (Vec::with_capacity(subjects.len()), Vec::with_capacity(subjects.len()));
        for subject in &subjects {
            let key = SubjectKey::random(subject.as_str());
            ids.push(key.id());
            wrapped.push(self.master.wrap(&key));
        }
        // One statement is one transaction, and it is durable when it returns. It waits for others that are just making
        // the same keys, so whatever it does not return is committed by then.
        let mut rows: Vec<Row> = sqlx::query_as(
            "insert into keys.subject_keys (subject, key_id, wrapped)
             select * from unnest($1::text[], $2::uuid[], $3::bytea[])
             on conflict (subject) do nothing
             returning subject, key_id, wrapped",
        )
        .bind(&subjects)
        .bind(&ids)
        .bind(&wrapped)
        .fetch_all(&mut *connection)
        .await?;
        if rows.len() < subjects.len() {
            let made: HashSet<&str> = rows.iter().map(|(subject, ..)| subject.as_str()).collect();
            let others: Vec<&String> = subjects.iter().filter(|subject| !made.contains(subject.as_str())).collect();
            let found: Vec<Row> =
                sqlx::query_as("select subject, key_id, wrapped from keys.subject_keys where subject = any($1)")
                    .bind(&others)
                    .fetch_all(&mut *connection)
                    .await?;
            rows.extend(found);
        }
        Ok(rows)
    }
}
