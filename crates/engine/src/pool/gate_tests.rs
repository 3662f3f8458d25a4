//! Permits are exact, waiters come in turn, and nothing is lost when one of them has gone.

use tidegate_core::moment::Moment;
use tokio::net::UnixStream;

use super::super::Connection;
use super::super::stream::Stream;
use super::*;

fn gate(most: u64, queue: u64) -> Arc<Gate> {
    let gate = Arc::new(Gate::default());
    gate.bound(most, queue);
    gate
}

fn permit(asked: Asked) -> Permit {
    match asked {
        Asked::Granted(permit) => permit,
        Asked::Waits { .. } | Asked::Full => panic!("no permit: {asked:?}"),
    }
}

fn place(asked: Asked) -> oneshot::Receiver<Grant> {
    match asked {
        Asked::Waits { grant, .. } => grant,
        Asked::Granted(_) | Asked::Full => panic!("no place: {asked:?}"),
    }
}

fn endpoint(grant: Grant) -> u32 {
    match grant {
        Grant::Permit(permit) => permit.endpoint(),
        Grant::Connection(idle, _) => idle.connection.permit.as_ref().map_or(0, Permit::endpoint),
    }
}

#[test]
fn the_first_choice_is_taken_and_then_another_with_room() {
    let gate = gate(1, 0);
    let first = permit(gate.ask(vec![7, 8]));
    let second = permit(gate.ask(vec![7, 8]));
    assert_eq!((first.endpoint(), second.endpoint()), (7, 8));
    assert!(matches!(gate.ask(vec![7, 8]), Asked::Full));
    drop(first);
    assert_eq!(permit(gate.ask(vec![8, 7])).endpoint(), 7);
}

#[test]
fn what_is_let_go_reaches_the_first_that_waits_for_it() {
    let gate = gate(1, 9);
    let (held, other) = (permit(gate.ask(vec![1])), permit(gate.ask(vec![2])));
    let mut for_two = place(gate.ask(vec![2]));
    let mut for_one = place(gate.ask(vec![1]));
    let mut for_any = place(gate.ask(vec![2, 1]));
    drop(held);
    let granted = for_one.try_recv().expect("a permit");
    assert!(for_two.try_recv().is_err() && for_any.try_recv().is_err());
    drop(granted);
    assert_eq!(endpoint(for_any.try_recv().expect("a permit")), 1);
    drop(other);
    assert_eq!(endpoint(for_two.try_recv().expect("a permit")), 2);
}

#[test]
fn whoever_has_gone_is_passed_by_and_keeps_no_place() {
    let gate = gate(1, 2);
    let held = permit(gate.ask(vec![1]));
    let (gone, mut stays) = (place(gate.ask(vec![1])), place(gate.ask(vec![1])));
    assert!(matches!(gate.ask(vec![1]), Asked::Full));
    drop(gone);
    let mut third = place(gate.ask(vec![1]));
    drop(held);
    drop(stays.try_recv().expect("a permit"));
    drop(third.try_recv().expect("a permit"));
    permit(gate.ask(vec![1]));
}

#[test]
fn a_grant_that_nobody_took_is_granted_again() {
    let gate = gate(1, 9);
    let held = permit(gate.ask(vec![1]));
    let (first, mut second) = (place(gate.ask(vec![1])), place(gate.ask(vec![1])));
    drop(held); // The first is granted the permit and goes before it looks.
    drop(first);
    assert_eq!(endpoint(second.try_recv().expect("a permit")), 1);
}

#[test]
fn a_bound_that_rises_lets_waiters_in_and_one_that_falls_lets_none() {
    let gate = gate(1, 9);
    let first = permit(gate.ask(vec![1]));
    let (mut second, mut third) = (place(gate.ask(vec![1])), place(gate.ask(vec![1])));
    gate.bound(2, 9);
    let second = second.try_recv().expect("a permit");
    assert!(third.try_recv().is_err());
    gate.bound(1, 9);
    drop(first);
    assert!(third.try_recv().is_err());
    drop(second);
    third.try_recv().expect("a permit");
}

#[tokio::test]
async fn a_connection_without_work_is_handed_over_or_rests() {
    let gate = gate(1, 9);
    let idle = || {
        let stream = Stream::Unix(UnixStream::pair().expect("a pair").0);
        let connection = Connection { stream, permit: Some(permit(gate.ask(vec![1]))) };
        Idle { connection, since: Moment::default(), until: Moment::NEVER }
    };
    let resting = gate.hand_over(idle(), 0).expect("nobody waits");
    let Asked::Waits { mut grant, rests: true } = gate.ask(vec![1]) else { panic!("it rests, and is to be asked for") };
    resting.connection.permit.as_ref().expect("it is bounded").wake();
    assert!(gate.hand_over(resting, 3).is_none());
    assert!(matches!(grant.try_recv(), Ok(Grant::Connection(_, 3))));
    let Asked::Granted(_) = gate.ask(vec![1]) else { panic!("the connection was dropped, and its permit with it") };
}

#[tokio::test]
async fn what_was_handed_over_is_used_unless_something_came_on_it_or_its_time_is_over() {
    let gate = gate(1, 9);
    let idle = || {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let connection = Connection { stream: Stream::Unix(ours), permit: Some(permit(gate.ask(vec![1]))) };
        (Idle { connection, since: Moment::default(), until: Moment::NEVER }, theirs)
    };
    let now = Moment::default();
    for is_elsewhere in [false, true] {
        let (silent, _peer) = idle();
        assert!(silent.bring_here(is_elsewhere, now).is_ok());
        let (late, _peer) = idle();
        assert!(late.bring_here(is_elsewhere, Moment::NEVER).is_err_and(|permit| permit.is_some()));
        let (ended, peer) = idle();
        drop(peer);
        assert!(ended.bring_here(is_elsewhere, now).is_err_and(|permit| permit.is_some()));
        let (spoke, peer) = idle();
        assert_eq!(peer.try_write(b"H").expect("room"), 1);
        assert!(spoke.bring_here(is_elsewhere, now).is_err_and(|permit| permit.is_some()));
    }
}

#[test]
fn what_another_worker_has_yet_leaves_so_much_less_room() {
    let gate = gate(2, 9);
    gate.count_elsewhere(HashMap::from([(1, 1)]));
    let held = permit(gate.ask(vec![1]));
    let mut waits = place(gate.ask(vec![1]));
    assert_eq!(gate.used(), HashMap::from([(1, 2)]));
    assert!(waits.try_recv().is_err());
    gate.count_elsewhere(HashMap::new());
    assert_eq!(endpoint(waits.try_recv().expect("a permit")), 1);
    gate.count_elsewhere(HashMap::from([(1, 2)]));
    let mut late = place(gate.ask(vec![1]));
    drop(held);
    assert!(late.try_recv().is_err(), "there are more than may be");
}
