//! Ports that `up` wants and somebody else has.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use super::{NotLooked, Patient, Seen, listeners};

const WHY: &str = "`handsel up` does not start while another program listens there";

/// Where an instance runs, its ports are its own; those of roles that run apart too.
pub(super) async fn look(patient: &Patient, seen: &mut Seen) -> Result<(), NotLooked> {
    if patient.holder.is_some() {
        return Ok(());
    }
    let (http, embedded) = (&patient.settings.http, &patient.settings.common.embedded);
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    taken(patient, seen, ("ports.api-in-use", "--port"), (http.host, http.port).into());
    taken(patient, seen, ("ports.admin-in-use", "--admin-port"), (http.host, http.admin_port).into());
    if patient.settings.common.kafka.brokers.is_none() {
        taken(patient, seen, ("ports.broker-in-use", "--broker-port"), (local, embedded.broker_port).into());
    }
    let search = &patient.settings.search;
    if search.search_port.is_some() {
        taken(patient, seen, ("ports.search-in-use", "--search-port"), search.address(0));
    }
    if let Some(port) = embedded.postgres_port.filter(|_| patient.is_embedded()) {
        taken(patient, seen, ("ports.postgres-in-use", "--postgres-port"), (local, port).into());
    }
    Ok(())
}

fn taken(patient: &Patient, seen: &mut Seen, (code, setting): (&'static str, &'static str), address: SocketAddr) {
    // To listen for a moment is the only way to know; a port is free again at once where nobody connected.
    let refused = TcpListener::bind(address).err().map(|error| error.kind());
    if address.port() == 0 || refused != Some(ErrorKind::AddrInUse) {
        return;
    }
    let who = listeners::on(address.port());
    let ours =
        who.as_ref().is_some_and(|(_, words)| program(words) == program(&std::env::args().next().unwrap_or_default()));
    if ours && !patient.is_embedded() {
        return;
    }
    let by =
        who.map_or_else(|| "a process of another user".to_owned(), |(pid, words)| format!("process {pid} (`{words}`)"));
    let next = format!("stop that process, or choose another port with {setting}");
    seen.error(code, format!("{address} is in use by {by}"), WHY, next);
}

/// The name of the file that was started.
fn program(words: &str) -> &str {
    words.split(' ').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default()
}
