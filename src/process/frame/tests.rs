#![allow(clippy::unwrap_used, clippy::allow_attributes, reason = "tests")]

use super::*;

fn spawn() -> Order {
    Order::Spawn {
        ticket: 7,
        program: "sh".into(),
        args: vec![OsString::from_vec(vec![0xff, 0xfe]), "x".repeat(128 * 1024).into(), "".into()],
        env: vec![("A".into(), "b=c".into())],
        cwd: "/".into(),
    }
}

#[test]
fn does_a_frame_come_back_as_it_was_sent() {
    for order in [
        spawn(),
        Order::End { ticket: 1, grace_ms: 2 },
        Order::Workers { ticket: 3, question: 4 },
        Order::Close,
    ] {
        let mut inbox = order.encode();
        assert_eq!(Order::decode(&mut inbox), Ok(Some(order)));
        assert!(inbox.is_empty());
    }
    let strays = vec![Stray { pid: 5, name: "a b".into() }];
    for word in [
        Word::Ready,
        Word::Spawned { ticket: 1, pid: 2 },
        Word::Failed { ticket: 1, errno: -2 },
        Word::Exited { ticket: 1, code: Some(-1), signal: None, strays: strays.clone() },
        Word::Workers { question: 9, strays: strays.clone() },
        Word::Closed { strays },
    ] {
        let mut inbox = word.encode();
        assert_eq!(Word::decode(&mut inbox), Ok(Some(word)));
    }
}

#[test]
fn is_half_a_frame_left_until_the_rest_comes() {
    let whole = spawn().encode();
    for cut in [0, 3, 4, 20, whole.len() - 1] {
        let mut inbox = whole[..cut].to_vec();
        assert_eq!(Order::decode(&mut inbox), Ok(None));
        assert_eq!(inbox.len(), cut);
    }
}

#[test]
fn are_two_frames_in_one_read_taken_one_by_one() {
    let mut inbox = [Word::Ready.encode(), Word::Spawned { ticket: 1, pid: 2 }.encode()].concat();
    assert_eq!(Word::decode(&mut inbox), Ok(Some(Word::Ready)));
    assert_eq!(Word::decode(&mut inbox), Ok(Some(Word::Spawned { ticket: 1, pid: 2 })));
    assert_eq!(Word::decode(&mut inbox), Ok(None));
}

#[test]
fn is_nonsense_refused() {
    assert_eq!(Order::decode(&mut vec![1, 0, 0, 0, 99]), Err(Broken));
    assert_eq!(Order::decode(&mut vec![2, 0, 0, 0, 3, 0]), Err(Broken), "a field too many");
    assert_eq!(Order::decode(&mut vec![5, 0, 0, 0, 1, 0, 0, 0, 0]), Err(Broken), "a field cut short");
}
