//! What the files must stand, and what must not be in them.

use super::*;

#[test]
fn garbage_is_as_good_as_nothing() {
    let dir = TempDir::new().unwrap();
    let one = run(dir.path(), "one");
    let party = party(&one, "m");
    one.failed(&party, &refusal(20.0), at(0.0));
    let file = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let whole = fs::read_to_string(&file).unwrap();
    let huge = format!("{whole}{}", " ".repeat(2 << 20));
    let wild = whole
        .replace("\"until\":", "\"until\":9223372036854775807,\"x\":")
        .replace("\"rate\":", "\"rate\":0,\"y\":");
    let broken = ["", "{", "[]", "null", "\u{0}\u{0}", "{\"provider\":7}", &whole[..whole.len() / 2], &huge];
    for (index, content) in broken.iter().enumerate() {
        fs::write(&file, content).unwrap();
        assert_eq!(one.standing(&party, at(1.0)), None, "{index}");
        assert_eq!(one.ask(&party, at(1.0)), Admission::Go, "{index}");
        one.taken(&party, at(1.0));
        one.failed(&party, &refusal(20.0), at(1.0));
        assert_eq!(one.standing(&party, at(2.0)).unwrap().until, at(21.0), "{index}");
    }
    // Numbers that cannot be are bounded, and nothing overflows.
    fs::write(&file, wild).unwrap();
    let until = one.standing(&party, at(1.0)).unwrap().until;
    assert!(until <= at(367.0 * 86_400.0), "{until}");
    one.failed(&party, &refusal(f64::MAX), at(1.0));
    one.taken(&party, Timestamp::MAX);
    one.ask(&party, Timestamp::MIN);
    one.failed(&party, &refusal(1.0), Timestamp::MIN);
    assert_eq!(one.trouble(), None);
}

#[test]
fn what_cannot_be_written_is_kept_in_memory_and_said_once() {
    for blocked in ["lock", "json"] {
        let dir = TempDir::new().unwrap();
        let (one, two) = (run(dir.path(), "one"), run(dir.path(), "two"));
        let party = party(&one, "m");
        one.left(&party, at(0.0));
        one.failed(&party, &refusal(5.0), at(0.0));
        let paths: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let path = paths.iter().find(|path| path.extension().is_some_and(|end| end == blocked)).unwrap();
        // A directory in its place: nobody can write there, whoever runs the test.
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join("x"), "").unwrap();
        let stands = one.failed(&party, &refusal(100.0), at(1.0)).unwrap();
        assert_eq!(stands.until, at(101.0), "{blocked}");
        assert_eq!(waits_until(&one.ask(&party, at(2.0))), Some(at(101.0)), "{blocked}: it is known here");
        let trouble = one.trouble().unwrap();
        assert!(
            trouble.contains(&dir.path().display().to_string()) && trouble.contains("writable"),
            "{trouble}"
        );
        assert_eq!(one.trouble(), None, "it is said once");
        // It can be written again: what was kept is shared then.
        fs::remove_dir_all(path).unwrap();
        one.left(&party, at(3.0));
        assert_eq!(waits_until(&two.ask(&party, at(4.0))), Some(at(101.0)), "{blocked}");
    }
}

#[test]
fn a_process_that_is_stuck_with_the_lock_is_waited_for_shortly() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (run(dir.path(), "one"), run(dir.path(), "two"));
    let party = party(&one, "m");
    one.left(&party, at(0.0));
    let paths = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let lock = paths.into_iter().find(|path| path.extension().is_some_and(|end| end == "lock")).unwrap();
    let stuck = fs::File::open(&lock).unwrap();
    stuck.lock().unwrap();
    let began = Instant::now();
    assert_eq!(one.ask(&party, at(0.0)), Admission::Go);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(150), "it did not wait: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    // All is as ever for the others, too.
    one.failed(&party, &refusal(20.0), at(0.1));
    assert_eq!(waits_until(&two.ask(&party, at(1.0))), Some(at(20.1)));
    assert_eq!((one.trouble(), two.trouble()), (None, None));
    drop(stuck);
}

#[test]
fn files_are_for_their_owner_and_say_no_secret() {
    let dir = TempDir::new().unwrap();
    let place = dir.path().join("state/accounts");
    let one = run(&place, "one");
    let provider = "https://user:hunter2hunter2@api.example.com/v1/?key=hunter3hunter3";
    let account = one.name(provider, "sk-proj-0123456789abcdef0123456789");
    assert_eq!(account, one.name(PROVIDER, "sk-proj-0123456789abcdef0123456789"));
    assert_eq!(account, run(&place, "two").name(PROVIDER, "sk-proj-0123456789abcdef0123456789"));
    assert_ne!(account, one.name(PROVIDER, "sk-proj-another"));
    assert_ne!(account, run(dir.path(), "elsewhere").name(PROVIDER, "sk-proj-0123456789abcdef0123456789"));
    let party = Party { provider: provider.to_owned(), account, model: None };
    let said = format!("bad key sk-proj-0123456789abcdef0123456789 {}", "\n and more".repeat(100));
    let bad = Failure { evidence: said, ..failure(FaultClass::Auth, FaultScope::Account, None) };
    let cooling = one.failed(&party, &bad, at(0.0)).unwrap();
    assert_eq!(cooling.provider, PROVIDER);
    assert!(cooling.evidence.chars().count() <= EVIDENCE_LIMIT + 1, "{}", cooling.evidence);
    assert_eq!(one.standing(&party, at(0.9 * 86_400.0)).unwrap().class, FaultClass::Auth);
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("hunter") && !text.contains("sk-proj"), "{text}");
        files += 1;
    }
    assert_eq!(files, 3, "the salt, the book and its lock");
}

#[test]
fn what_is_kept_is_bounded_and_swept() {
    let dir = TempDir::new().unwrap();
    let one = run(dir.path(), "one");
    for index in 0..150_u32 {
        let mut party = party(&one, &format!("m{index}"));
        one.failed(&party, &failure(FaultClass::RateLimited, FaultScope::Model, Some(900.0)), at(0.0));
        party.account = one.name(PROVIDER, &format!("key {index}"));
        one.failed(&party, &refusal(f64::from(index) + 100.0), at(f64::from(index) / 100.0));
    }
    let biggest =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).max();
    assert!(biggest.unwrap() < 64 * 1024, "{biggest:?}");
    // A day and more later, another provider: what says nothing any more goes.
    fs::write(dir.path().join(".tmp-left"), "half").unwrap();
    fs::write(dir.path().join("v1-0123456789abcdef.77.new"), "half").unwrap();
    // The files are of the test's real present, so the future is counted from there.
    let other = Party { provider: "other".to_owned(), ..party(&one, "m") };
    one.ask(&other, "2100-01-01T00:00:00Z".parse().unwrap());
    let mut names: Vec<String> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
}
