use super::*;

#[tokio::test]
async fn a_failing_part_ends_the_others_and_is_the_answer() {
    let shutdown = Shutdown::new();
    let mut parts = Parts::new(shutdown.clone());
    let ours = shutdown.clone();
    parts.spawn("patient", async move {
        ours.begun().await;
        Ok(())
    });
    parts.spawn("broken", async { anyhow::bail!("no more") });
    let failure = parts.run(DRAIN_MAX).await.unwrap_err();
    assert_eq!(format!("{failure:#}"), "the part `broken` failed: no more");
    assert!(shutdown.has_begun());
}

#[tokio::test]
async fn a_part_that_does_not_drain_is_dropped_at_the_deadline() {
    let shutdown = Shutdown::new();
    let mut parts = Parts::new(shutdown.clone());
    parts.spawn("stuck", std::future::pending());
    shutdown.begin();
    parts.run(Duration::from_millis(10)).await.unwrap();
}

#[tokio::test]
async fn all_that_ends_shares_one_deadline() {
    let shutdown = Shutdown::new();
    assert_eq!(shutdown.left(), END_MAX, "nothing has begun to end");
    let mut parts = Parts::new(shutdown.clone());
    parts.spawn("stuck", std::future::pending());
    shutdown.begin();
    let drain_max = Duration::from_millis(50);
    parts.run(drain_max).await.unwrap();
    assert!(shutdown.left() <= END_MAX - drain_max, "what the parts took is not there for the servers");
    shutdown.begin();
    assert!(shutdown.left() <= END_MAX - drain_max, "a second begin gives no more time");
}

#[tokio::test]
async fn parts_that_are_all_done_end_the_program_without_a_failure() {
    let mut parts = Parts::new(Shutdown::new());
    parts.spawn("short", async { Ok(()) });
    parts.run(DRAIN_MAX).await.unwrap();
}

#[tokio::test]
async fn what_attends_goes_on_until_the_last_part_has_drained() {
    let shutdown = Shutdown::new();
    let mut parts = Parts::new(shutdown.clone());
    let (saved, saving) = tokio::sync::oneshot::channel::<()>();
    let (alive, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
    parts.spawn("slow", async move {
        saving.await?;
        Ok(())
    });
    parts.attend("admin", async move {
        alive.closed().await;
        Ok(())
    });
    shutdown.begin();
    let running = tokio::spawn(parts.run(DRAIN_MAX));
    tokio::task::yield_now().await;
    assert_eq!(dropped.try_recv(), Err(tokio::sync::mpsc::error::TryRecvError::Empty));
    saved.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(dropped.recv().await, None);
}

#[tokio::test]
async fn a_failure_of_what_attends_is_the_answer_too() {
    let shutdown = Shutdown::new();
    let mut parts = Parts::new(shutdown.clone());
    parts.spawn("patient", async move {
        shutdown.begun().await;
        Ok(())
    });
    parts.attend("admin", async { anyhow::bail!("no listener") });
    let failure = parts.run(DRAIN_MAX).await.unwrap_err();
    assert_eq!(format!("{failure:#}"), "the part `admin` failed: no listener");
}
