//! A broker that speaks the Kafka protocol and keeps everything in memory, for laptop and demo: it forgets at exit.

mod logs;
mod memory;
mod quiet;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use rama::{Context, Service};
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_broker::service::services;
use tansu_storage::{BrokerRegistrationRequest, Storage, StorageContainer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use self::memory::Memory;

const NODE_ID: i32 = 1;
const CLUSTER_ID: &str = "handsel";
const MAINTENANCE_PERIOD: Duration = Duration::from_secs(600);
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// A running broker; it ends when this is stopped or dropped.
#[derive(Debug)]
pub struct EmbeddedBroker {
    address: SocketAddr,
    stop: CancellationToken,
    accepting: Option<JoinHandle<()>>,
}

/// Why the broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Somebody else listens there.
    #[error("cannot listen on {address} for the embedded broker: {source}; choose another with --broker-port")]
    Address {
        /// Where it should listen.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The broker itself gave up.
    #[error("the embedded broker does not start: {0}")]
    Broker(String),
}

impl EmbeddedBroker {
    /// Listens on `address`; port 0 takes a free one.
    pub async fn start(address: SocketAddr) -> Result<Self, BrokerError> {
        let unusable = |source| BrokerError::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let stop = CancellationToken::new();
        let storage = storage(address, stop.clone()).await?;
        let accepting = Some(tokio::spawn(accept(listener, storage, stop.clone())));
        Ok(EmbeddedBroker { address, stop, accepting })
    }

    /// What clients take as bootstrap server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection and forgets everything.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(accepting) = self.accepting.take() {
            // It can only have panicked, which has been logged, and it is over either way.
            let _ = accepting.await;
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn storage(address: SocketAddr, stop: CancellationToken) -> Result<StorageContainer, BrokerError> {
    let broken = |error: &dyn std::fmt::Display| BrokerError::Broker(error.to_string());
    let advertised = Url::parse(&format!("tcp://{address}")).map_err(|error| broken(&error))?;
    let memory = Url::parse("memory://handsel/").map_err(|error| broken(&error))?;
    let storage = StorageContainer::builder()
        .node_id(NODE_ID)
        .cluster_id(CLUSTER_ID)
        .advertised_listener(advertised)
        .storage(memory)
        .silent(true)
        .cancellation(stop)
        .build()
        .await
        .map_err(|error| broken(&error))?;
    let registration = BrokerRegistrationRequest {
        broker_id: NODE_ID,
        cluster_id: CLUSTER_ID.to_owned(),
        incarnation_id: Uuid::new_v4(),
        rack: None,
    };
    storage.register_broker(registration).await.map_err(|error| broken(&error))?;
    Ok(storage)
}

async fn accept(listener: TcpListener, storage: StorageContainer, stop: CancellationToken) {
    let Ok(groups) = Controller::with_storage(storage.clone()) else { return };
    let storage = Memory::new(storage);
    let mut connections = JoinSet::new();
    let mut maintenance = tokio::time::interval(MAINTENANCE_PERIOD);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, groups.clone(), storage.connected()));
                }
                // Out of file descriptors, say: it passes, and a broker that ends would not help.
                Err(error) => {
                    tracing::warn!(%error, "Embedded broker cannot accept a connection: {error}");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            },
            _ = maintenance.tick() => {
                #[expect(clippy::disallowed_methods, reason = "the broker's own interface asks for the system time")]
                let now = SystemTime::now();
                if let Err(error) = storage.maintain(now).await {
                    tracing::debug!(%error, "Embedded broker could not tidy up: {error}");
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, groups: Controller<StorageContainer>, storage: Memory) {
    // Without it every answer would wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    match services(CLUSTER_ID, groups, storage, None) {
        Ok(service) => {
            // Clients come and go; an error here is the end of one connection.
            if let Err(error) = service.serve(Context::default(), stream).await {
                tracing::trace!(%error, "Connection to the embedded broker ended: {error}");
            }
        }
        Err(error) => tracing::error!(%error, "Embedded broker cannot serve: {error}"),
    }
}
