//! Parcels on their way: a whole program on the event store, with a domain of its own.
//! `DATABASE_URL=postgres://… cargo run -p event-store --example parcels`

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use envelope::{Cause, Position};
use event_store::{Ask, Store, StoreConfig, verify};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum ParcelEvent {
    ParcelPosted { to: String },
    ParcelDelivered { signed_by: String },
}

impl DomainEvent for ParcelEvent {
    fn event_type(&self) -> String {
        match self {
            Self::ParcelPosted { .. } => "ParcelPosted".to_owned(),
            Self::ParcelDelivered { .. } => "ParcelDelivered".to_owned(),
        }
    }
    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Clone, Debug)]
enum ParcelCommand {
    Post { to: String },
    Deliver { signed_by: String },
}

#[derive(Debug, thiserror::Error)]
#[error("a parcel is posted before it is delivered")]
struct NotPosted;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
enum Parcel {
    #[default]
    Absent,
    Posted,
    Delivered,
}

impl Aggregate for Parcel {
    const TYPE: &'static str = "parcel";
    type Command = ParcelCommand;
    type Event = ParcelEvent;
    type Error = NotPosted;
    type Services = ();

    async fn handle(&mut self, command: ParcelCommand, (): &(), sink: &EventSink<Self>) -> Result<(), NotPosted> {
        let event = match (&self, command) {
            (Self::Absent, ParcelCommand::Post { to }) => ParcelEvent::ParcelPosted { to },
            (Self::Posted, ParcelCommand::Deliver { signed_by }) => ParcelEvent::ParcelDelivered { signed_by },
            (Self::Absent, ParcelCommand::Deliver { .. }) => return Err(NotPosted),
            (Self::Posted | Self::Delivered, ParcelCommand::Post { .. })
            | (Self::Delivered, ParcelCommand::Deliver { .. }) => return Ok(()),
        };
        sink.write(event, self).await;
        Ok(())
    }
    fn apply(&mut self, event: ParcelEvent) {
        *self = match event {
            ParcelEvent::ParcelPosted { .. } => Self::Posted,
            ParcelEvent::ParcelDelivered { .. } => Self::Delivered,
        };
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> anyhow::Result<()> {
    let config = StoreConfig::new("parcels", std::env::var("DATABASE_URL")?);
    Store::migrate(&config).await?;
    let store = Store::open(config).await?;
    let parcels = store.commands::<Parcel>((), vec![]);
    let id = Uuid::now_v7().to_string();
    let ask = || Ask::new(Cause::new("example", Uuid::now_v7()));
    let refused = parcels.execute(&id, ParcelCommand::Deliver { signed_by: "Bo".into() }, ask()).await;
    println!("too early: {}", refused.expect_err("it was not posted"));
    let posted = parcels.execute(&id, ParcelCommand::Post { to: "Ana".into() }, ask().expecting(0)).await?;
    let again = parcels.execute(&id, ParcelCommand::Post { to: "Ana".into() }, ask()).await?;
    println!("posted as version {}; again: {} new events", posted.version, again.events.len());
    parcels.execute(&id, ParcelCommand::Deliver { signed_by: "Bo".into() }, ask()).await?;
    for event in store.reader().after(Position::ZERO, 10).await? {
        println!("{} {} {} {}", event.position, event.aggregate_id, event.event_type, event.data.get());
    }
    let report = verify::store(&store.reader(), |_, _| {}).await?;
    println!("{} events verified, {} violations", report.events, report.violations.len());
    Ok(())
}
