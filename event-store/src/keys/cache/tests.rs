//! How long a key is kept, and that a destroyed one is not.

use super::*;

fn kept(cache: &Cache, key: &SubjectKey, now: Instant) -> bool {
    let by_id = cache.of_ids(&[key.id()], now).0.contains_key(&key.id());
    assert_eq!(by_id, cache.of_subject(key.subject(), now).is_some());
    by_id
}

#[test]
fn no_key_is_kept_longer_than_its_lifetime() {
    let start = Instant::now();
    for begun_s in 0..60 {
        let cache = Cache::new(start);
        let key = SubjectKey::random("ana");
        let read = start + Duration::from_secs(begun_s);
        cache.keep(cache.epoch(), &key, read);
        assert!(kept(&cache, &key, read + Duration::from_secs(29)));
        for later_s in (29..60).step_by(7) {
            kept(&cache, &key, read + Duration::from_secs(later_s));
        }
        assert!(!kept(&cache, &key, read + LIFETIME));
    }
}

#[test]
fn a_quiet_minute_empties_it() {
    let start = Instant::now();
    let cache = Cache::new(start);
    let key = SubjectKey::random("ana");
    cache.keep(cache.epoch(), &key, start);
    assert!(!kept(&cache, &key, start + LIFETIME));
}

#[test]
fn what_is_forgotten_is_gone_at_once_in_both_generations() {
    let start = Instant::now();
    let cache = Cache::new(start);
    let key = SubjectKey::random("ana");
    cache.keep(cache.epoch(), &key, start);
    let later = start + LIFETIME / 2;
    assert!(kept(&cache, &key, later));
    cache.keep(cache.epoch(), &key, later);
    cache.forget("ana");
    assert!(!kept(&cache, &key, later));
}

#[test]
fn what_was_read_before_a_key_was_destroyed_is_not_kept() {
    let now = Instant::now();
    let cache = Cache::new(now);
    let key = SubjectKey::random("ana");
    let epoch = cache.epoch();
    cache.forget("ana");
    cache.keep(epoch, &key, now);
    assert!(!kept(&cache, &key, now));
}

#[test]
fn it_does_not_grow_without_bound() {
    let now = Instant::now();
    let cache = Cache::new(now);
    for n in 0..KEYS_MAX * 2 {
        cache.keep(cache.epoch(), &SubjectKey::new(Uuid::from_u128(n as u128), n.to_string(), [0; 32]), now);
    }
    let all = cache.lock();
    assert!(all.young.keys.len() + all.old.keys.len() <= KEYS_MAX);
}

#[test]
fn missing_ids_are_named_once() {
    let cache = Cache::new(Instant::now());
    let id = Uuid::now_v7();
    assert_eq!(cache.of_ids(&[id, id], Instant::now()).1, [id]);
}
