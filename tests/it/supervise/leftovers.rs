//! What a round leaves besides its work: processes, a transcript, and nothing in memory.

use crate::support::looped::story;
use crate::support::sandbox::{Sandbox, finish, lives, of_kind, signal, wait_for};

/// W12: children of an agent that had ended well lived on, also those of a session of their own. They are gone before the next
/// round begins.
#[test]
fn what_an_agent_leaves_running_is_gone_before_the_next_round() {
    let agent = "cat > /dev/null\n\
                 for pid in $(cat ctl/left 2> /dev/null); do kill -0 $pid 2> /dev/null && echo alive >> ctl/alive; done\n\
                 setsid sh -c 'echo $$ >> ctl/left; exec sleep 600' > /dev/null 2>&1 < /dev/null &\n\
                 (setsid sh -c 'setsid sh -c \"echo \\$\\$ >> ctl/left; exec sleep 600\" &' > /dev/null 2>&1 < /dev/null &)\n\
                 echo x >> ctl/rounds\nn=$(($(wc -l < ctl/rounds) * 2))\n\
                 while [ $(cat ctl/left 2> /dev/null | wc -l) -lt $n ]; do sleep 0.02; done\necho done\n";
    let sandbox = Sandbox::looped(agent, "[supervise]\npause = \"20ms\"\nrounds = 2\n");
    let ran = sandbox.supervise(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(sandbox.read("ctl/alive"), "", "{}", story(&sandbox.events()));
    let left = sandbox.read("ctl/left");
    assert_eq!(left.lines().count(), 4);
    assert!(left.lines().all(|pid| !lives(pid.parse().unwrap())), "{left}");
}

/// Scar #307: the client of a container was ended and the container worked on. Its runtime is asked to stop it, by the id that
/// it has written out of the container's reach.
#[test]
fn the_container_of_a_round_that_is_ended_is_stopped() {
    use std::os::unix::fs::PermissionsExt as _;
    let runtime = "#!/bin/sh\nif [ \"$1\" = stop ]; then echo \"$@\" >> ctl/stopped; exit 0; fi\n\
                   for word; do case $word in --cidfile=*) echo 0123456789abcdef > \"${word#--cidfile=}\";; esac; done\n\
                   echo \"$@\" >> ctl/ran\ncat > /dev/null\nexec sleep 600\n";
    let sandbox = Sandbox::new(
        "[agent]\nharness = \"command\"\ncommand = [\"./ctl/docker\", \"run\", \"--rm\", \"-i\", \"image\", \"agent\"]\n\
         [retry]\nsame_model = 0\n[round]\ntimeout = \"1s\"\ngrace = \"1s\"\n[supervise]\npause = \"10m\"\n",
    );
    sandbox.repository();
    // Errands stand nowhere; this one is to be found all the same.
    sandbox.write("ctl/docker", &runtime.replace("ctl/", &format!("{}/", sandbox.path("ctl").display())));
    std::fs::set_permissions(sandbox.path("ctl/docker"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = sandbox.begin(&[]);
    sandbox.comes_to("wait.started", 1);
    signal(run.id(), "TERM");
    let ran = finish(run);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let asked = sandbox.read("ctl/ran");
    assert!(
        asked.starts_with("run --cidfile=") && asked.trim_end().ends_with(" --rm -i image agent"),
        "{asked}"
    );
    assert_eq!(
        sandbox.read("ctl/stopped"),
        "stop -t 5 -- 0123456789abcdef\n",
        "{}",
        story(&sandbox.events())
    );
    assert!(!of_kind(&sandbox.events(), "alert.raised").iter().any(|alert| alert["alert"] == "container"));
}

/// W15: the log of the first round did not exist while it ran. It can be read as it grows.
#[test]
fn the_transcript_of_the_round_that_runs_can_be_read() {
    let agent =
        "cat > /dev/null\necho first words\nwhile [ ! -e ctl/go ]; do sleep 0.05; done\necho last words\n";
    let sandbox = Sandbox::looped(agent, "[supervise]\npause = \"20ms\"\nrounds = 1\n");
    let run = sandbox.begin(&[]);
    sandbox.comes_to("agent.spawned", 1);
    wait_for("the first words", || {
        let ran = sandbox.run(&["peek", "--round", "1", "--log"]);
        ran.code == Some(0) && ran.out.contains("first words")
    });
    assert_eq!(of_kind(&sandbox.so_far(), "round.ended").len(), 0, "it runs still");
    sandbox.write("ctl/go", "");
    assert_eq!(finish(run).code, Some(0));
    assert!(sandbox.run(&["peek", "--round", "1", "--log"]).out.contains("last words"));
}

/// W3: a failed round's transcript was read into memory, whole. 200 MB of it leave provost small.
#[test]
#[cfg(target_os = "linux")]
fn a_failed_round_with_a_huge_transcript_costs_no_memory() {
    const LEAST: u64 = 200_000_000;
    let agent = "cat > /dev/null\nyes 'a line of a log that nobody will read, and that is as long as lines of logs are' | head -c 200000000\nexit 3\n";
    let sandbox = Sandbox::looped(
        agent,
        "[retry]\nsame_model = 0\n[supervise]\npause = \"10m\"\n[round]\ngrace = \"1s\"\n",
    );
    let run = sandbox.begin(&[]);
    wait_for("the end of the round", || of_kind(&sandbox.so_far(), "wait.started").len() == 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap();
    let kb = |key: &str| -> u64 {
        let value = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.trim().trim_end_matches(" kB").parse().unwrap()
    };
    // The pages of the program itself are no cost of the round; a debug build has many.
    let (peak, code) = (kb("VmHWM:"), kb("RssFile:"));
    signal(run.id(), "TERM");
    assert_eq!(finish(run).code, Some(0));
    let events = sandbox.events();
    assert_eq!(of_kind(&events, "round.ended")[0]["outcome"], "failed", "{}", story(&events));
    let written = std::fs::metadata(sandbox.run_dir().join("rounds/root-1.log")).unwrap().len();
    assert!(written >= LEAST, "{written} bytes of transcript");
    assert!(peak < 40 * 1024 || cfg!(debug_assertions), "{peak} kB at most");
    assert!(peak - code < 20 * 1024, "{peak} kB at most, {code} kB of them the program");
}
