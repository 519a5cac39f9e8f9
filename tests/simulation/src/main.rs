//! Plays seeds, many or one.
fn main() {
    let rt = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _g = rt.enter();
    let args: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    if args.len() == 1 {
        let h = simulation::History::kept();
        let o = simulation::run(args[0], &h, None);
        for l in h.lines() { println!("{l}"); }
        println!("{o:?}");
        return;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let t = std::time::Instant::now();
    let mut tally = simulation::Tally::default();
    let mut events = 0;
    let mut failed = std::collections::BTreeMap::<String, Vec<u64>>::new();
    for s in args[0]..args[1] { let o = simulation::run(s, &simulation::History::none(), None); tally.add(&o.tally); events += o.events; if let Some(b) = o.broken { failed.entry(b.chars().take(60).collect()).or_default().push(s); } }
    println!("{:#?} {events} events {:?}\n", tally, t.elapsed());
    for (b, s) in failed { println!("{} x {b}: {:?}", s.len(), &s[..s.len().min(6)]); }
}
