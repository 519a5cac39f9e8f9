//! A jar of coins: it takes coins until it is sealed.

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum JarEvent {
    CoinDropped { coins: i64, note: String },
    JarSealed { by: String },
    JarShaken,
}

impl DomainEvent for JarEvent {
    fn event_type(&self) -> String {
        match self {
            Self::CoinDropped { .. } => "CoinDropped".to_owned(),
            Self::JarSealed { .. } => "JarSealed".to_owned(),
            Self::JarShaken => "JarShaken".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Clone, Debug)]
pub(super) enum JarCommand {
    /// Always adds.
    Drop { coins: i64, note: String },
    /// Nothing to do if it is sealed already.
    Seal { by: String },
    /// Adds an event without fields.
    Shake,
    /// Only looks.
    Count,
    /// A rule with a mistake in it.
    Break,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum JarError {
    #[error("the jar is sealed")]
    Sealed,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Jar {
    pub(super) coins: i64,
    pub(super) sealed: bool,
}

impl Aggregate for Jar {
    const TYPE: &'static str = "jar";
    type Command = JarCommand;
    type Event = JarEvent;
    type Error = JarError;
    type Services = ();

    async fn handle(&mut self, command: JarCommand, (): &(), sink: &EventSink<Self>) -> Result<(), JarError> {
        let event = match command {
            JarCommand::Drop { .. } if self.sealed => return Err(JarError::Sealed),
            JarCommand::Drop { coins, note } => JarEvent::CoinDropped { coins, note },
            JarCommand::Seal { .. } if self.sealed => return Ok(()),
            JarCommand::Seal { by } => JarEvent::JarSealed { by },
            JarCommand::Shake => JarEvent::JarShaken,
            JarCommand::Count => return Ok(()),
            JarCommand::Break => panic!("the jar broke"),
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: JarEvent) {
        match event {
            JarEvent::CoinDropped { coins, .. } => self.coins += coins,
            JarEvent::JarSealed { .. } => self.sealed = true,
            JarEvent::JarShaken => {}
        }
    }
}

pub(super) fn drop_coin() -> JarCommand {
    JarCommand::Drop { coins: 1, note: "a coin".to_owned() }
}

pub(super) fn seal() -> JarCommand {
    JarCommand::Seal { by: "tester".to_owned() }
}
