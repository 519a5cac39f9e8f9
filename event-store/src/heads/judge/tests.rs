use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envelope::Timestamp;

use super::*;
use crate::heads::SigningKey;

const GENESIS: Uuid = Uuid::from_u128(1);
const FIRST: History = History(GENESIS);
const SECOND: History = History(Uuid::from_u128(2));

fn key(byte: u8) -> SigningKey {
    SigningKey::parse(&STANDARD.encode([byte; 32])).unwrap()
}

fn ours() -> [PublicKey; 1] {
    [key(1).public()]
}

/// What stands at a position as long as nobody changed anything up to there.
fn stands(position: i64, life: u8) -> (Option<Uuid>, Chain) {
    let position = u8::try_from(position).unwrap();
    ((position > 0).then(|| Uuid::from_bytes([position; 16])), [position ^ life; 32])
}

/// A head of a store at second `at`; the life says which events it speaks of.
fn head(position: i64, at: i64, life: u8) -> Statement {
    let (event_id, chain) = stands(position, life);
    Statement {
        context: "parcels".to_owned(),
        genesis: GENESIS,
        history: FIRST,
        ended: None,
        position: Position(position),
        event_id,
        chain,
        at: second(at),
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(at * 1_000_000).unwrap()
}

fn signed(statements: impl IntoIterator<Item = Statement>) -> Collected {
    Collected { heads: statements.into_iter().map(|statement| statement.sign(&key(1))).collect(), ..Default::default() }
}

/// A store that ends at a position; events after `changed` are of another life.
fn store(head: i64, changed: i64) -> Facts {
    let at = (0..=head).map(|position| (Position(position), stands(position, u8::from(position > changed) * 0x80)));
    Facts { context: "parcels".to_owned(), genesis: GENESIS, history: FIRST, head: Position(head), at: at.collect() }
}

const NEVER: i64 = i64::MAX;

#[test]
fn a_store_that_only_grew_holds() {
    let heads = signed([head(10, 1, 0), head(20, 2, 0)]);
    for end in [20, 21, 90] {
        let report = judge(&store(end, NEVER), &heads, &ours());
        assert_eq!((report.findings, report.notes), (vec![], vec![]));
        assert_eq!((report.heads, report.newest), (2, Some((Position(20), second(2)))));
    }
}

#[test]
fn cutting_the_newest_events_off_is_found_whatever_was_cut() {
    let heads = signed([head(10, 1, 0), head(20, 2, 0)]);
    for end in 0..20 {
        let report = judge(&store(end, NEVER), &heads, &ours());
        let agrees = Position(if end < 10 { 0 } else { 10 });
        let cut = Finding::Cut { agrees, head: Position(end), signed: Position(20), at: second(2) };
        assert_eq!(report.findings, [cut]);
    }
    let said = judge(&store(15, NEVER), &heads, &ours()).findings[0].to_string();
    assert!(said.contains("positions 16 to 20") && said.contains("1970-01-01T00:00:02"), "{said}");
}

#[test]
fn what_went_on_from_an_older_copy_is_found_and_placed_between_two_heads() {
    let heads = signed([head(10, 1, 0), head(20, 2, 0), head(30, 3, 0)]);
    // It went on past everything that was signed: its own chain holds, and nothing is cut off.
    let report = judge(&store(40, 15), &heads, &ours());
    let (agrees, differs, up_to) = (Position(10), Position(20), Position(30));
    assert_eq!(report.findings, [Finding::Rewritten { agrees, differs, up_to, at: second(3) }]);
    let said = report.findings[0].to_string();
    assert!(said.contains("one of 11 to 20") && said.contains("up to 10"), "{said}");
    // It has not come so far yet.
    let report = judge(&store(25, 15), &heads, &ours());
    assert_eq!(report.findings.len(), 2, "{:?}", report.findings);
    assert!(matches!(report.findings[0], Finding::Rewritten { up_to: Position(20), .. }));
    assert!(matches!(report.findings[1], Finding::Cut { head: Position(25), signed: Position(30), .. }));
}

#[test]
fn heads_that_were_signed_after_a_change_excuse_nothing() {
    let heads = signed([head(10, 1, 0), head(20, 2, 0), head(30, 3, 0x80)]);
    let report = judge(&store(30, 15), &heads, &ours());
    let (agrees, differs, up_to) = (Position(10), Position(20), Position(20));
    assert_eq!(report.findings, [Finding::Rewritten { agrees, differs, up_to, at: second(2) }]);
}

#[test]
fn another_database_is_named_as_such() {
    let heads = signed([head(10, 1, 0)]);
    let other = Facts { genesis: Uuid::from_u128(9), ..store(50, NEVER) };
    let report = judge(&other, &heads, &ours());
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert!(matches!(report.findings[0], Finding::OtherDatabase { signed: GENESIS, position: Position(10), .. }));
}

#[test]
fn a_signature_that_is_false_is_a_finding_and_vouches_for_nothing() {
    let mut heads = signed([head(10, 1, 0), head(20, 2, 0)]);
    heads.heads[1].statement.position = Position(19);
    let report = judge(&store(10, NEVER), &heads, &ours());
    assert_eq!(report.findings, [Finding::Forged { position: Position(19), at: second(2) }]);
    assert_eq!(report.heads, 1);
}

#[test]
fn who_is_not_trusted_cannot_vouch_and_is_named() {
    let mut heads = signed([head(10, 1, 0)]);
    heads.heads.extend([head(11, 2, 0), head(12, 3, 0)].map(|statement| statement.sign(&key(2))));
    let report = judge(&store(10, NEVER), &heads, &ours());
    let stranger = Finding::Stranger { key: key(2).public().to_string(), heads: 2, position: Position(12) };
    assert_eq!(report.findings, [stranger]);
    assert!(judge(&store(12, NEVER), &heads, &[key(1).public(), key(2).public()]).holds());
}

#[test]
fn without_a_key_heads_are_taken_at_their_word_and_that_is_said() {
    let heads = signed([head(10, 1, 0)]);
    let report = judge(&store(10, NEVER), &heads, &[]);
    assert_eq!((report.findings, report.notes), (vec![], vec![Note::Unvouched(key(1).public().to_string())]));
    assert!(!judge(&store(9, NEVER), &heads, &[]).holds(), "an accident is found all the same");
}

#[test]
fn heads_of_another_store_and_what_is_no_head_are_findings() {
    let mut heads = signed([head(10, 1, 0)]);
    heads.heads.push(Statement { context: "letters".to_owned(), ..head(3, 1, 0) }.sign(&key(1)));
    heads.unreadable.push(("a file, line 2".to_owned(), "no JSON".to_owned()));
    heads.torn.push("a file, line 9".to_owned());
    let report = judge(&store(10, NEVER), &heads, &ours());
    let unreadable = Finding::Unreadable { place: "a file, line 2".to_owned(), reason: "no JSON".to_owned() };
    assert_eq!(report.findings, [unreadable, Finding::Misplaced { context: "letters".to_owned() }]);
    assert_eq!(report.notes, [Note::Torn("a file, line 9".to_owned())]);
}

#[test]
fn the_same_head_in_two_places_counts_once() {
    let mut heads = signed([head(10, 1, 0)]);
    heads.extend(heads.clone());
    assert_eq!(judge(&store(10, NEVER), &heads, &ours()).heads, 1);
}

fn recovery(position: i64, at: i64) -> Statement {
    Statement { history: SECOND, ended: Some(FIRST), ..head(position, at, 0) }
}

fn recovered(head: i64, changed: i64) -> Facts {
    Facts { history: SECOND, ..store(head, changed) }
}

#[test]
fn a_recovery_gives_up_what_was_lost_and_the_loss_stays_visible() {
    let heads = signed([head(10, 1, 0), head(20, 2, 0), recovery(12, 3)]);
    for (end, changed) in [(12, NEVER), (15, 12), (40, 12)] {
        let report = judge(&recovered(end, changed), &heads, &ours());
        assert_eq!(report.findings, []);
        let (ended, history, kept, lost) = (FIRST, SECOND, Position(12), Some(Position(20)));
        assert_eq!(report.notes, [Note::Recovered { at: second(3), ended, history, kept, lost }]);
        assert!(report.notes[0].to_string().contains("positions 13 to 20"), "{}", report.notes[0]);
        assert_eq!(report.newest, Some((Position(12), second(3))));
    }
}

#[test]
fn a_recovery_excuses_nothing_of_what_it_kept_and_nothing_that_came_after() {
    let before = signed([head(10, 1, 0), head(20, 2, 0), recovery(12, 3)]);
    let report = judge(&recovered(15, 5), &before, &ours());
    assert!(matches!(report.findings[..], [Finding::Rewritten { differs: Position(10), .. }]), "{report:?}");
    let after = signed([head(20, 2, 0), recovery(12, 3), Statement { history: SECOND, ..head(18, 4, 0x80) }]);
    assert!(judge(&recovered(18, 12), &after, &ours()).holds());
    let report = judge(&recovered(17, 12), &after, &ours());
    assert!(matches!(report.findings[..], [Finding::Cut { signed: Position(18), .. }]), "{report:?}");
}

#[test]
fn a_recovery_of_a_copy_that_had_gone_on_names_what_was_replaced() {
    let late = Statement { history: SECOND, ended: Some(FIRST), ..head(25, 3, 0x80) };
    let heads = signed([head(10, 1, 0), head(20, 2, 0), late.clone()]);
    let report = judge(&recovered(30, 12), &heads, &ours());
    assert_eq!(report.findings, []);
    let replaced = Note::Replaced { at: second(3), ended: FIRST, agrees: Position(10), up_to: Position(20) };
    assert!(report.notes.contains(&replaced), "{:?}", report.notes);
    // It says nothing for what was signed later, and nothing where the store has lost what it found.
    let later = signed([head(10, 1, 0), late.clone(), head(20, 4, 0)]);
    assert!(!judge(&recovered(30, 12), &later, &ours()).holds());
    assert!(!judge(&recovered(30, NEVER), &heads, &ours()).holds());
    assert!(!judge(&recovered(24, 12), &heads, &ours()).holds());
}

#[test]
fn a_copy_from_before_a_recovery_is_found_also_where_it_has_all_positions() {
    let heads = signed([head(10, 1, 0), recovery(10, 3)]);
    let report = judge(&store(10, NEVER), &heads, &ours());
    assert_eq!(report.findings, [Finding::EndedHistory { history: FIRST, at: second(3), next: SECOND }]);
}

#[test]
fn a_recovery_that_was_repeated_gives_up_what_the_interrupted_one_left() {
    // The first one was interrupted before it left its trace: nobody said that FIRST ended for THIRD.
    let third = History(Uuid::from_u128(3));
    let again = Statement { history: SECOND, ended: Some(third), ..head(12, 5, 0) };
    let heads = signed([head(20, 2, 0), Statement { history: third, ..head(14, 4, 0x80) }, again]);
    assert_eq!(judge(&recovered(12, NEVER), &heads, &ours()).findings, []);
    // A head that was signed later, in a history that nobody ended, is not given up by it.
    let mut later = heads.clone();
    later.heads.push(head(21, 6, 0).sign(&key(1)));
    assert!(!judge(&recovered(12, NEVER), &later, &ours()).holds());
}

#[test]
fn a_history_that_nobody_signed_is_told() {
    let unsigned = judge(&recovered(30, NEVER), &signed([head(10, 1, 0)]), &ours());
    assert_eq!((unsigned.findings, unsigned.notes), (vec![], vec![Note::UnsignedHistory(SECOND)]));
}
