//! What a certificate is sealed over: every byte counts.

use std::path::Path;
use std::time::Duration;

use super::{Bench, GATE, by_name};

/// So many places of each file are tampered with.
const PLACES: usize = 8;

/// A copy of a directory of files, by links: only the one that is tampered with is written.
fn linked(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        } else {
            std::fs::create_dir_all(to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_tampered_byte_is_found() {
    let bench = Bench::new(8, GATE, Duration::ZERO, by_name);
    bench.certify("good.toml", "bad.toml", "run", &[], 0);
    let ran = bench.call(&["certify", "--verify", "run"], 0);
    assert!(ran.out.contains("holds"), "{}", ran.out);
    let json = bench.call(&["certify", "--verify", "run", "--json"], 0);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&value["holds"], &value["digest"]), (&true.into(), &bench.certificate("run")["digest"]));
    linked(&bench.path("run"), &bench.path("copy"));
    bench.call(&["certify", "--verify", "copy"], 0);
    for name in ["journal.jsonl", "plan.json", "cases.jsonl", "prompts.jsonl", "outputs.jsonl"] {
        let file = bench.path("copy").join(name);
        let bytes = std::fs::read(&file).unwrap();
        for place in 0..PLACES {
            // The first, the last, and some between, no two with the same distance.
            let at = (bytes.len() - 1) * place * place / ((PLACES - 1) * (PLACES - 1));
            let mut other = bytes.clone();
            other[at] ^= 1 << (place % 7);
            std::fs::write(&file, &other).unwrap();
            let ran = bench.call(&["certify", "--verify", "copy"], 1);
            assert!(ran.out.contains(name), "byte {at}: {}", ran.out);
        }
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        bench.call(&["certify", "--verify", "copy"], 1);
        std::fs::remove_file(&file).unwrap();
        bench.call(&["certify", "--verify", "copy"], 1);
        std::fs::write(&file, &bytes).unwrap();
    }
    bench.call(&["certify", "--verify", "copy"], 0);
}

#[test]
fn a_certificate_that_says_more_than_its_journal_does_not_hold() {
    let bench = Bench::new(8, GATE, Duration::ZERO, by_name);
    bench.certify("bad.toml", "base.toml", "run", &[], 3);
    let text = bench.sandbox.read("run/certificate.json");
    let forged = text.replacen("\"verdict\": \"inconclusive\"", "\"verdict\": \"pass\"", 1);
    assert_ne!(text, forged);
    bench.sandbox.write("run/certificate.json", &forged);
    let ran = bench.call(&["certify", "--verify", "run"], 1);
    assert!(ran.out.contains("the digest is not that of the certificate's body"), "{}", ran.out);
    assert!(ran.out.contains("the verdict cannot be derived from the journal"), "{}", ran.out);
    // What it says of itself and of its run is looked at too.
    for (was, is, says) in [
        ("\"schema\": 1", "\"schema\": 7", "of format 7"),
        ("\"provost.certificate\"", "\"receipt\"", "a `receipt`"),
        ("-certify-", "-Certify-", "this is another run"),
    ] {
        let other = text.replacen(was, is, 1);
        assert_ne!(text, other);
        bench.sandbox.write("run/certificate.json", &other);
        let ran = bench.call(&["certify", "--verify", "run"], 1);
        assert!(ran.out.contains(says), "{}", ran.out);
    }
    bench.sandbox.write("run/certificate.json", &text);
    bench.call(&["certify", "--verify", "run"], 0);
    bench.call(&["certify", "--verify", "absent"], 2);
}
