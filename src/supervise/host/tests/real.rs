//! The sampler on this machine.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::supervise::host::{Sampler, own_group};

fn sampler() -> Sampler {
    Sampler::new(Path::new("/"), &std::env::temp_dir(), own_group(Path::new("/")))
}

/// A shell with nineteen children, in a group of its own.
struct Twenty(std::process::Child);

impl Twenty {
    fn start() -> Self {
        use std::os::unix::process::CommandExt as _;
        let script = "i=0; while [ $i -lt 19 ]; do sleep 600 & i=$((i+1)); done; echo ready; wait";
        let mut child = std::process::Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut ready = [0_u8; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        Self(child)
    }
}

impl Drop for Twenty {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

#[test]
fn every_unix_tells_of_its_disk() {
    let sample = sampler().sample(None);
    assert!((0.0..=100.0).contains(&sample.disk_used_pct.unwrap()));
    assert!(sample.inode_used_pct.is_none_or(|used| (0.0..=100.0).contains(&used)));
}

#[cfg(target_os = "linux")]
#[test]
fn linux_tells_of_its_memory_and_of_the_agent() {
    let agent = Twenty::start();
    let mut sampler = sampler();
    let sample = sampler.sample(Some(agent.0.id()));
    assert!(sample.mem_total_mb.unwrap() > 0);
    assert!(sample.mem_available_mb.unwrap() <= sample.mem_total_mb.unwrap());
    assert!(
        sample.mem_free_mb.is_some() && sample.swap_total_mb.is_some() && sample.swapped_out_bytes.is_some()
    );
    assert!(sample.load_1m.is_some());
    let all = sample.agent_rss_mb.unwrap();
    let ours = sampler.sample(Some(std::process::id())).agent_rss_mb.unwrap();
    assert!(ours >= all, "the agent is one of our own children: {ours} MiB is less than {all} MiB");
    let pid = agent.0.id();
    drop(agent);
    assert_eq!(sampler.sample(Some(pid)).agent_rss_mb, None);
}

/// W16: a look is cheap enough to be taken in a round, again and again. Prints what it takes with an agent of 20 processes.
#[cfg(target_os = "linux")]
#[test]
fn a_look_is_cheap() {
    let agent = Twenty::start();
    let mut sampler = sampler();
    let mut took: Vec<Duration> = (0..200)
        .map(|_| {
            let start = Instant::now();
            assert!(sampler.sample(Some(agent.0.id())).agent_rss_mb.is_some());
            start.elapsed()
        })
        .collect();
    took.sort_unstable();
    let (median, slow) = (took[took.len() / 2], took[took.len() * 95 / 100]);
    println!("a look at 20 processes: {median:?} in the median, 19 of 20 within {slow:?}");
    assert!(median < Duration::from_millis(50), "{median:?}");
}
