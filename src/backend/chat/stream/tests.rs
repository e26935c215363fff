use super::*;

fn read(api: Api, bytes: &str) -> (Heard, Result<Turn, StreamError>) {
    let mut stream = Stream::new(api).unwrap();
    let pushed = stream.push(bytes.as_bytes());
    let ended = pushed.and_then(|()| stream.end());
    (stream.heard(), ended.and_then(|()| stream.finish()))
}

#[test]
fn what_was_said_before_an_error_is_heard() {
    let bytes = "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\nevent: error\ndata: broken\n\n";
    let (heard, turn) = read(Api::OpenAi, bytes);
    assert_eq!(heard.text, "half");
    assert_eq!(turn, Err(StreamError::Provider(ProviderError::said("broken"))));
}

#[test]
fn nothing_counts_after_the_end() {
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let late =
        "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"late\"}}\n\n";
    let (heard, turn) = read(Api::Anthropic, &format!("{stop}{late}event: error\ndata: x\n\n"));
    assert_eq!((heard.text.as_str(), turn.unwrap().text.as_str()), ("", ""));
}

#[test]
fn a_whole_answer_may_follow_blank_space_and_may_not_be_larger_than_a_turn() {
    let body = "\n  {\"choices\":[{\"message\":{\"content\":\"whole\"},\"finish_reason\":\"stop\"}]}\n";
    let (heard, turn) = read(Api::OpenAi, body);
    assert_eq!((heard.text.as_str(), turn.unwrap().text.as_str()), ("whole", "whole"));
    let mut stream = Stream::new(Api::OpenAi).unwrap();
    stream.push(b"{").unwrap();
    assert_eq!(stream.push(&vec![b' '; TURN_BYTES]), Err(StreamError::TooLarge));
    assert_eq!(read(Api::OpenAi, "").1, Err(StreamError::Unfinished));
    assert!(matches!(read(Api::OpenAi, "{\"choices\":").1, Err(StreamError::Malformed(_))));
}
