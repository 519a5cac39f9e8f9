//! Whether a store has lost events: what others remember of it is not there any more.

use envelope::{History, Position};
use event_schemas::Context;
use uuid::Uuid;

use super::{NotLooked, Patient, Seen};

/// What a read model remembers.
type Remembered = (String, String, Uuid, i64, Option<Uuid>);

const CHECKPOINTS: &str = "
    select c.projection, c.context, c.history, c.position, c.event_id
      from read.checkpoints c join read.generations g using (projection, generation)
     where g.state = 'live' and c.position > 0 order by c.position desc";

pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    for context in Context::ALL {
        by_relay(context, patient, seen).await?;
    }
    let remembered: Vec<Remembered> = sqlx::query_as(CHECKPOINTS).fetch_all(patient.views()?).await?;
    for context in Context::ALL {
        let of_it = remembered.iter().filter(|(_, of, ..)| of == context.name());
        by_views(context, of_it, patient, seen).await?;
    }
    Ok(())
}

async fn by_relay(context: Context, patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    let reader = patient.store(context)?.reader();
    let (head, Some(relay)) = (reader.head().await?, reader.relay_row().await?) else { return Ok(()) };
    if relay.history != head.history {
        let evidence =
            format!("the relay of `{context}` is in history {}, the store in {}", relay.history, head.history);
        say(context, evidence, seen);
    } else if relay.checkpoint > head.position {
        let evidence = format!(
            "the relay published events of `{context}` up to position {}, and the store ends at {}",
            relay.checkpoint, head.position
        );
        say(context, evidence, seen);
    }
    Ok(())
}

/// One read model is evidence enough.
async fn by_views<'a>(
    context: Context,
    remembered: impl Iterator<Item = &'a Remembered>,
    patient: &Patient,
    seen: &mut Seen,
) -> Result<(), NotLooked> {
    let reader = patient.store(context)?.reader();
    let head = reader.head().await?;
    for (projection, _, history, position, event) in remembered {
        if History(*history) != head.history {
            seen.warning(
                "lost.read-model-of-another-history",
                format!(
                    "`{projection}` was built from history {history} of `{context}`, the store is in {}",
                    head.history
                ),
                "it begins anew when somebody follows it; until then it may show what the store does not have",
                format!("start a projector, or run `handsel rebuild {projection}`"),
            );
            continue;
        }
        let found = reader.event_at(Position(*position)).await?;
        if found.is_none() || event.is_some() && found != *event {
            let what = if found.is_none() { "is gone" } else { "is another one" };
            let evidence = format!("`{projection}` has event {position} of `{context}`, and in the store it {what}");
            say(context, evidence, seen);
            return Ok(());
        }
    }
    Ok(())
}

fn say(context: Context, evidence: String, seen: &mut Seen) {
    seen.error(
        "lost.events",
        evidence,
        "a backup was restored, a replica promoted, or rows were removed: appender, relay and projectors stop",
        format!("make sure that this is the store to go on with, then `handsel recover {context}`"),
    );
}
