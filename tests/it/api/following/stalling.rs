//! Clients that take nothing, and too many of them.

use std::time::Duration;

use query_api::FeedSettings;
use tests::{ETA_MAX, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::{Api, Patience, import, places};

/// More than the system keeps for a connection on both sides.
const EVENTS: usize = 9_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_cut_off_and_one_that_is_slow_gets_everything() {
    let feed = FeedSettings { stall_max: Duration::from_millis(500), ..FeedSettings::default() };
    let api = Api::start_with(Patience { feed, ..Patience::default() }).await;
    for batch in 0..EVENTS / 1_000 {
        import(&api, &format!("stall-{batch}"), 1_000).await;
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stalled = socket.connect(api.address().parse().unwrap()).await.unwrap();
    let request = "GET /v1/events/stream?from=start HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stalled.write_all(request.as_bytes()).await.unwrap();
    // It waits until the server has given it up, and finds that what came then is not all.
    let (mut text, mut size) = (Vec::new(), 0);
    tokio::time::timeout(Duration::from_secs(3), std::future::pending::<()>()).await.unwrap_err();
    let mut piece = vec![0; 64 * 1_024];
    while let Ok(count @ 1..) = tokio::time::timeout(ETA_MAX, stalled.read(&mut piece)).await.expect("it ends") {
        size += count;
        text.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8_lossy(&text);
    let whole = text.rfind("\n\n").expect("something came");
    let got = text[..whole].matches("\ndata: ").count();
    assert!(got < EVENTS, "the system took all {size} bytes, so that nothing was stalled");
    let last_id = text[..whole].rfind("\nid: ").map(|at| text[at + 5..].lines().next().unwrap()).unwrap();
    assert!(last_id.contains(&format!("orders={got}@")), "{last_id} after {got}");
    // Whoever comes back gets the rest, also with pauses that are shorter.
    let mut following = api.follow("", last_id).await;
    let rest = following.take(EVENTS - got).await;
    let first = i64::try_from(got).unwrap() + 1;
    assert!(places(&rest).iter().map(|(_, position)| *position).eq(first..=i64::try_from(EVENTS).unwrap()));
}

#[tokio::test]
async fn no_more_streams_are_open_than_may_be() {
    let feed = FeedSettings { streams_max: 2, ..FeedSettings::default() };
    let api = Api::start_with(Patience { feed, ..Patience::default() }).await;
    let (one, _two) = (api.follow("", "").await, api.follow("", "").await);
    let refused = api.get("/v1/events/stream", &[]).await.expect(503);
    assert_eq!((refused.header("retry-after"), &refused.body["code"]), ("5", &"too-many-streams".into()));
    drop(one);
    until("the place of one that went is free", ETA_MAX, async || api.follow("", "").await.status() == 200).await;
}
