use super::*;

#[test]
fn the_key_is_shown_nowhere() {
    let key = || Some(SecretKey::new("sk-very-secret"));
    let new = |url| Endpoint::new(Api::OpenAi, url, key(), "local/m", ModelOptions::default(), None);
    let endpoint = new("http://127.0.0.1:1/v1").unwrap();
    assert!(!format!("{endpoint:?}").contains("very-secret"));
    assert_eq!(endpoint.clean("bad key sk-very-secret"), "bad key [redacted]");
    assert_eq!(endpoint.model(), "m");
    let error = new("http://user:sk-very-secret@host/v1").unwrap_err();
    assert!(!error.to_string().contains("very-secret"), "{error}");
    assert!(matches!(new("ftp://host"), Err(SetupError::Url(_))));
    let error = new("http://host/v1?key=sk-very-secret").unwrap_err();
    assert!(!error.to_string().contains("very-secret"), "{error}");
    for api in [Api::OpenAi, Api::OpenAiResponses, Api::Anthropic] {
        let newline =
            Endpoint::new(api, "http://h", Some(SecretKey::new("a\nb")), "m", ModelOptions::default(), None);
        assert!(matches!(newline, Err(SetupError::Key(_))));
    }
}

#[test]
fn loopback_is_told_apart() {
    let loopback = |url: &str| is_loopback(&reqwest::Url::parse(url).unwrap());
    assert!(loopback("http://localhost:1/"));
    assert!(loopback("http://127.3.0.1/"));
    assert!(loopback("http://[::1]:9/"));
    assert!(!loopback("http://example.com/"));
}

#[test]
fn a_proxy_that_fails_for_its_provider_is_seen_through() {
    assert_eq!(status(Some(500), Some(429)), Some(429));
    assert_eq!(status(Some(502), Some(200)), Some(502));
    assert_eq!(status(Some(402), Some(429)), Some(402));
    assert_eq!(status(None, Some(429)), Some(429));
    assert_eq!(status(Some(503), None), Some(503));
}
