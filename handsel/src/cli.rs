//! What can be typed. The doc comments are the manual.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    config, doctor, events, heads, import_cdnow, import_postgres_es, import_shop, listen, mails, migrate, parked,
    policies, rebuild, recover, replay, role, seed, status, trigger, up, verify, webhooks,
};
use crate::import::Kind;

/// Handsel: the event-sourced backend of a marketplace.
///
/// Without a command it does `up --demo`: every role in one process, with a Postgres and a Kafka-speaking broker of its
/// own unless DATABASE_URL and KAFKA_BROKERS name others, and a market to look at if nothing is there. Every setting is
/// also an environment variable, named in the help of its command.
#[derive(Debug, Parser)]
#[command(name = "handsel", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: Box<up::Up>,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::enum_variant_names, reason = "the command is called as the role that it starts")]
enum Command {
    /// Start everything in one process and print where it is.
    Up(Box<up::Up>),
    /// Start the role that takes commands (HTTP) and appends events.
    CommandApi(Box<role::CommandApi>),
    /// Start the role that answers queries (HTTP) from the read models.
    QueryApi(Box<role::QueryApi>),
    /// Start the role that carries events from the stores to Kafka.
    Relay(Box<role::Relay>),
    /// Start the role that keeps the read models.
    Projector(Box<role::Projector>),
    /// Start the role that does what follows from events: policies and timers.
    Reactor(Box<role::Reactor>),
    /// Start the role that keeps the search index and answers the query API from it.
    Search(Box<role::Search>),
    /// Make or update the schemas and the topics.
    Migrate(Box<migrate::Migrate>),
    /// Show how stores, relays and read models are.
    Status(Box<status::Status>),
    /// Look at everything and name what is wrong and what to do.
    Doctor(Box<doctor::Doctor>),
    /// Show events as they happen.
    Events(Box<events::Events>),
    /// Send events to a URL as they happen, signed, as a webhook would.
    Listen(Box<listen::Listen>),
    /// Make an event happen, for whoever writes something that follows events.
    Trigger(Box<trigger::Trigger>),
    /// Bring data in from elsewhere.
    #[command(subcommand)]
    Import(Import),
    /// Make a market to look at in a running instance.
    Seed(seed::Seed),
    /// Build a read model again beside the live one, compare, and switch.
    Rebuild(Box<rebuild::Rebuild>),
    /// Begin a new history of a store that lost its newest events.
    Recover(Box<recover::Recover>),
    /// Write the events as CloudEvents, or into an empty instance.
    Replay(Box<replay::Replay>),
    /// Check every store from its first event, and the topics against the stores.
    Verify(Box<verify::Verify>),
    /// Show by which key the heads of stores are signed, and where they lie.
    Heads(Box<heads::Heads>),
    /// List, retry or skip events that could not be applied to a read model.
    Parked(Box<parked::Parked>),
    /// List what policies asked for and was refused, ask again, or give it up.
    Policies(Box<policies::Policies>),
    /// List mail that was refused, hand it over again, or give it up.
    Mails(Box<mails::Mails>),
    /// Show who hears of events and what became of it, send again, or replace a secret.
    Webhooks(Box<webhooks::Webhooks>),
    /// Show the settings in force and where they come from; secrets are masked.
    Config(Box<config::Config>),
}

#[derive(Debug, Subcommand)]
enum Import {
    /// Import products of any shop from CSV or JSON Lines, with their stock.
    Products(Box<import_shop::ImportShop>),
    /// Import customers or sellers of any shop from CSV or JSON Lines.
    Customers(Box<import_shop::ImportShop>),
    /// Import orders that were completed elsewhere from CSV or JSON Lines.
    Orders(Box<import_shop::ImportShop>),
    /// Import purchases in the CDNOW format, each as a command of its own.
    Cdnow(import_cdnow::ImportCdnow),
    /// Adopt the events of an existing postgres-es table into the empty store of a context.
    PostgresEs(Box<import_postgres_es::ImportPostgresEs>),
}

impl Import {
    async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Products(command) => command.run(Kind::Products).await,
            Self::Customers(command) => command.run(Kind::Customers).await,
            Self::Orders(command) => command.run(Kind::Orders).await,
            Self::Cdnow(command) => command.run().await,
            Self::PostgresEs(command) => command.run().await,
        }
    }
}

impl Cli {
    /// Does what was typed.
    ///
    /// # Errors
    /// Why it could not be done, fit to be shown as one line.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None => self.up.to_look_at().run().await,
            Some(Command::Up(up)) => up.run().await,
            Some(Command::CommandApi(role)) => role.run().await,
            Some(Command::QueryApi(role)) => role.run().await,
            Some(Command::Relay(role)) => role.run().await,
            Some(Command::Projector(role)) => role.run().await,
            Some(Command::Reactor(role)) => role.run().await,
            Some(Command::Search(role)) => role.run().await,
            Some(Command::Migrate(command)) => command.run().await,
            Some(Command::Status(command)) => command.run().await,
            Some(Command::Doctor(command)) => command.run().await,
            Some(Command::Events(command)) => command.run().await,
            Some(Command::Listen(command)) => command.run().await,
            Some(Command::Trigger(command)) => command.run().await,
            Some(Command::Import(import)) => import.run().await,
            Some(Command::Seed(command)) => command.run().await,
            Some(Command::Rebuild(command)) => command.run().await,
            Some(Command::Recover(command)) => command.run().await,
            Some(Command::Replay(command)) => command.run().await,
            Some(Command::Verify(command)) => command.run().await,
            Some(Command::Heads(command)) => command.run().await,
            Some(Command::Parked(command)) => command.run().await,
            Some(Command::Policies(command)) => command.run().await,
            Some(Command::Mails(command)) => command.run().await,
            Some(Command::Webhooks(command)) => command.run().await,
            Some(Command::Config(command)) => command.run().await,
        }
    }
}

#[cfg(test)]
mod tests;
