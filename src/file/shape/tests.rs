use super::*;

/// What is taken out, and a part of the text that must be gone.
const GONE: &[(&str, &str)] = &[
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY----- rest", "MIIEow"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNz", "b3BlbnNz"),
    ("OPENAI_API_KEY=abcdefgh123", "abcdefgh123"),
    ("export DB_PASSWORD='hunter 2' next", "hunter 2"),
    ("{\"api_key\": \"abc-def\"}", "abc-def"),
    ("{\\\"api_key\\\": \\\"abc-def\\\"}", "abc-def"),
    ("client_secret: abcdefg", "abcdefg"),
    ("password: hunter2", "hunter2"),
    ("apiKey=xyzzy1", "xyzzy1"),
    ("tool --token s3cr3tvalue --verbose", "s3cr3tvalue"),
    ("tool --verbose --password=pa55", "pa55"),
    ("tool --api-key 'with space'", "with space"),
    ("[\"--token\", \"s3cr3tvalue\"]", "s3cr3tvalue"),
    ("curl -u alice:wonder https://x.test", "wonder"),
    ("curl -ualice:wonder https://x.test", "wonder"),
    ("Authorization: Bearer abc123def456", "abc123def456"),
    ("-H 'authorization: token abc123def456' https://x.test", "abc123def456"),
    ("Cookie: session=1; id=2", "session=1"),
    ("x-api-key: 0123456789", "0123456789"),
    ("{\"x-api-key\": \"0123456789\"}", "0123456789"),
    ("sent Bearer abcdef0123456789", "abcdef0123456789"),
    ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("postgres://bob:pa@ss@db.test/x", "pa@ss"),
    ("https://tok3n@git.test/x.git", "tok3n"),
    ("https://x.test/a?b=1&access_token=zzz9&c=2", "zzz9"),
    ("https://x.test/a?key=zzz9", "zzz9"),
    ("https://x.test/a?sig=zzz9", "zzz9"),
    ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1 there", "eyJzdWIi"),
    ("sk-abcdefghij0123456789", "sk-abc"),
    ("sk-ant-api03-abcdefghij0123456789", "sk-ant"),
    ("ghp_abcdefghij0123456789", "ghp_"),
    ("gho_abcdefghij0123456789", "gho_"),
    ("github_pat_abcdefghij0123456789", "github_pat_"),
    ("glpat-abcdefghij0123456789", "glpat-"),
    ("xoxb-1234567890-abcdef", "xoxb-"),
    ("xoxp-1234567890-abcdef", "xoxp-"),
    ("AKIAABCDEFGHIJKLMNOP", "AKIA"),
    ("ASIAABCDEFGHIJKLMNOP", "ASIA"),
    ("AIzaabcdefghijabcdefghijabcdefghij01234", "AIza"),
    ("hf_abcdefghijabcdefghij", "hf_"),
    ("npm_abcdefghijabcdefghijabcdefghij012345", "npm_"),
    ("pypi-abcdefghijabcdefghijabcdefghij012345", "pypi-"),
    ("rk_live_abcdefghij", "rk_live"),
    ("SG.abcdefghijabcdefghij.abcdefghijabcdefghij", "SG."),
    ("ya29.abcdefghijabcdefghij", "ya29"),
];

const STAYS: &[&str] = &[
    "commit 65ddc0d1f0a54e7f9c1f0a54e7f9c1f0a54e7f9c",
    "id 123e4567-e89b-12d3-a456-426614174000",
    "tokens=512",
    "max_tokens: 100",
    "--max-tokens 100 --verbose",
    "/home/me/project/src/keys.rs:12: token",
    "diff -U 3 a:b",
    "-u https://x.test/a",
    "docker run -u 1000:1000 image",
    "https://x.test/a?page=2&sort=key",
    "ssh://git@git.test/x.git",
    "git@git.test:me/x.git",
    "aGVsbG8=",
    "unexpected token: identifier",
    "token: 17",
    "Basic authentication is off",
    "Bearer tokens are fine",
    "authorization: required",
    "KEYBOARD=us",
    "SSH_AUTH_SOCK=/tmp/ssh/agent.1",
    "TOKEN_FILE=/run/token",
    "TOKEN=$TOKEN",
    "api_key=<your key>",
    "primary_key=id",
    "key=value",
    "API_KEY=[secret:API_KEY]",
    "it is [secret:MY_TOKEN], and key: [secret:A_KEY]",
    "sk-learn-is-a-fine-library",
    "PASSWORD=\nnext line",
    "password:\n  min_length: 8",
    "token_type: \"bearer\"",
    "a == b, token == other",
    "error[E0308]: mismatched types",
    "",
];

#[test]
fn every_shape_compiles() {
    assert_eq!(COMPILED.len(), SHAPES.len());
}

#[test]
fn credentials_go() {
    for (text, secret) in GONE {
        let redacted = redact_shapes(text);
        assert!(redacted.contains(MARK) && !redacted.contains(secret), "{text} -> {redacted}");
        assert_eq!(redact_shapes(&redacted), redacted, "twice is once");
    }
}

#[test]
fn everything_else_stays() {
    for text in STAYS {
        assert_eq!(redact_shapes(text), *text);
    }
}

#[test]
fn what_is_around_stays() {
    let text = "curl -H 'Authorization: Bearer abc123def456' -u me:pw https://a:b@x.test/?token=1x2#top";
    let redacted = "curl -H 'Authorization: [redacted]' -u me:[redacted] https://[redacted]@x.test/?token=[redacted]#top";
    assert_eq!(redact_shapes(text), redacted);
}

#[test]
fn names_of_secrets() {
    for name in [
        "API_KEY",
        "KEY",
        "OPENAI_API_KEY",
        "GITHUB_TOKEN",
        "token",
        "clientSecret",
        "DB_PASSWORD",
        "PGPASSWORD",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "aws-secret-access-key",
        "GITHUB_PAT",
        "API_KEYS",
        "--auth-token",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in [
        "TOKENS",
        "MAX_TOKENS",
        "KEYBOARD",
        "SSH_AUTH_SOCK",
        "PATH",
        "PWD",
        "MONKEY",
        "TOKENIZERS_PARALLELISM",
        "TOKEN_FILE",
        "PUBLIC_KEY",
        "KEYS",
        "HOME",
        "",
        "_",
    ] {
        assert!(!is_secret_name(name), "{name}");
    }
}
