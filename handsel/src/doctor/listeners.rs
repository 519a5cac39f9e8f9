//! Who listens on a port of this machine, as far as `/proc` tells.

use std::fs;
use std::path::Path;

/// The process that listens on a port and the words it was started with.
pub(super) fn on(port: u16) -> Option<(u32, String)> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| inode_in(table, port))?;
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let holds = |pid: &u32| {
        let files = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"));
        files.is_ok_and(|mut files| {
            files.any(|file| {
                file.is_ok_and(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_path() == Path::new(&link)))
            })
        })
    };
    let pid = processes.into_iter().find(holds)?;
    Some((pid, words_of(pid)))
}

/// What a process was started with.
fn words_of(pid: u32) -> String {
    let words = fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).unwrap_or_default();
    let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).take(3).collect();
    words.join(" ").trim().to_owned()
}

/// Columns: number, local address, remote address, state (0A listens), …, inode.
fn inode_in(table: &str, port: u16) -> Option<String> {
    let ends = format!(":{port:04X}");
    fs::read_to_string(table).ok()?.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens = columns.get(1)?.ends_with(&ends) && *columns.get(3)? == "0A";
        listens.then(|| columns.get(9).map(|inode| (*inode).to_owned())).flatten()
    })
}
