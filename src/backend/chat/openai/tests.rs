use super::*;

#[test]
fn the_key_is_shown_nowhere() {
    let key = || Some(SecretKey::new("sk-very-secret"));
    let new = |url| Openai::new(url, key(), "local/m", ModelOptions::default(), None);
    let endpoint = new("http://127.0.0.1:1/v1").unwrap();
    assert!(!format!("{endpoint:?}").contains("very-secret"));
    assert_eq!(endpoint.clean("bad key sk-very-secret"), "bad key [redacted]");
    assert_eq!(endpoint.model(), "m");
    let error = new("http://user:sk-very-secret@host/v1").unwrap_err();
    assert!(!error.to_string().contains("very-secret"), "{error}");
    assert!(matches!(new("ftp://host"), Err(SetupError::Url(_))));
    let error = new("http://host/v1?key=sk-very-secret").unwrap_err();
    assert!(!error.to_string().contains("very-secret"), "{error}");
    let newline = Openai::new("http://h", Some(SecretKey::new("a\nb")), "m", ModelOptions::default(), None);
    assert!(matches!(newline, Err(SetupError::Key(_))));
}

#[test]
fn a_wait_is_read_in_every_form() {
    let wait = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("date", HeaderValue::from_static("Sat, 21 Nov 2026 10:00:00 GMT"));
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        Wait::read(&headers).seconds
    };
    assert_eq!(wait("retry-after", "7"), Some(7.0));
    assert_eq!(wait("retry-after-ms", "250"), Some(0.25));
    assert_eq!(wait("retry-after", "Sat, 21 Nov 2026 10:01:30 GMT"), Some(90.0));
    assert_eq!(wait("retry-after", "Sat, 21 Nov 2026 09:00:00 GMT"), Some(0.0));
    assert_eq!(wait("retry-after", "soon"), None);
    assert_eq!(wait("retry-after", "-1"), None);
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_static("Sat, 21 Nov 2026 10:01:30 GMT"));
    let until = "2026-11-21T10:01:30Z".parse().ok();
    assert_eq!(Wait::read(&headers), Wait { seconds: None, until });
}

#[test]
fn loopback_is_told_apart() {
    let loopback = |url: &str| is_loopback(&reqwest::Url::parse(url).unwrap());
    assert!(loopback("http://localhost:1/"));
    assert!(loopback("http://127.3.0.1/"));
    assert!(loopback("http://[::1]:9/"));
    assert!(!loopback("http://example.com/"));
}
