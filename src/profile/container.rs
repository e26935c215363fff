//! What a command that runs an agent in a container says of it: `sudo -u me env A=1 docker --context x run -it -v …`.

use std::path::PathBuf;

/// A container that a command starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// `docker` or `podman`.
    pub runtime: String,
    /// Whether it gets our standard input.
    pub interactive: bool,
    /// Directories of the host that it sees, as they are written.
    pub mounts: Vec<PathBuf>,
    /// Where the verb stands, `run`: what stands before it reaches the runtime, whatever the verb.
    pub verb_at: usize,
    /// Whether the command says where the id of the container is to be written.
    pub names_its_id_file: bool,
}

/// Options of a program that take a value of their own; all others stand alone.
struct Options {
    short: &'static str,
    long: &'static [&'static str],
}

/// Programs that run another one, with their options, and how many words of their own stand before it.
const PREFIXES: [(&str, Options, usize); 10] = [
    (
        "sudo",
        Options {
            short: "ugCDRpThrtU",
            long: &[
                "user",
                "group",
                "close-from",
                "chdir",
                "chroot",
                "prompt",
                "host",
                "role",
                "type",
                "command-timeout",
                "other-user",
            ],
        },
        0,
    ),
    ("doas", Options { short: "uC", long: &[] }, 0),
    ("env", Options { short: "uCS", long: &["unset", "chdir"] }, 0),
    ("nice", Options { short: "n", long: &["adjustment"] }, 0),
    ("ionice", Options { short: "cnpPu", long: &["class", "classdata"] }, 0),
    ("timeout", Options { short: "ks", long: &["kill-after", "signal"] }, 1),
    ("stdbuf", Options { short: "ioe", long: &["input", "output", "error"] }, 0),
    ("nohup", Options { short: "", long: &[] }, 0),
    ("setsid", Options { short: "", long: &[] }, 0),
    ("exec", Options { short: "a", long: &[] }, 0),
];

/// Options of `docker` and `podman` themselves, before the verb.
const GLOBAL: Options = Options {
    short: "Hcl",
    long: &[
        "host",
        "context",
        "config",
        "log-level",
        "tlscacert",
        "tlscert",
        "tlskey",
        "connection",
        "url",
        "identity",
        "root",
        "runroot",
        "storage-driver",
        "storage-opt",
        "cgroup-manager",
        "conmon",
        "events-backend",
        "hooks-dir",
        "module",
        "namespace",
        "network-cmd-path",
        "network-config-dir",
        "out",
        "runtime",
        "runtime-flag",
        "ssh",
        "tmpdir",
        "volumepath",
        "imagestore",
    ],
};

/// Options of `run` that stand alone; all others take a value.
const ALONE: [&str; 21] = [
    "detach",
    "interactive",
    "tty",
    "rm",
    "init",
    "privileged",
    "read-only",
    "publish-all",
    "no-healthcheck",
    "oom-kill-disable",
    "disable-content-trust",
    "sig-proxy",
    "help",
    "quiet",
    "replace",
    "tls-verify",
    "env-host",
    "http-proxy",
    "no-hosts",
    "read-only-tmpfs",
    "rmi",
];
/// The same in one letter.
const ALONE_SHORT: &str = "ditPq";

/// Finds the container that `argv` starts; `None` where it starts none.
pub fn find(argv: &[&str]) -> Option<Container> {
    let mut rest = argv;
    loop {
        let (first, after) = rest.split_first()?;
        let name = first.rsplit('/').next().unwrap_or(first);
        if matches!(name, "docker" | "podman") {
            let mut container = run(name, after)?;
            container.verb_at += argv.len() - after.len();
            return Some(container);
        }
        let (_, options, words) = PREFIXES.iter().find(|(prefix, ..)| *prefix == name)?;
        rest = skip(after, options);
        // `NAME=value` before the program.
        while rest.first().is_some_and(|word| is_assignment(word)) {
            rest = &rest[1..];
        }
        rest = rest.get(*words..)?;
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// What comes behind the options.
fn skip<'a, 'b>(mut words: &'a [&'b str], options: &Options) -> &'a [&'b str] {
    while let Some((word, after)) = words.split_first() {
        if *word == "--" {
            return after;
        }
        let takes = if let Some(long) = word.strip_prefix("--") {
            options.long.contains(&long)
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            // Only the last letter can look for its value in the next word.
            letters.find(|c| options.short.contains(c)).is_some_and(|place| place + 1 == letters.len())
        } else {
            return words;
        };
        words = if takes { after.get(1..).unwrap_or_default() } else { after };
    }
    words
}

fn run(runtime: &str, words: &[&str]) -> Option<Container> {
    let mut rest = skip(words, &GLOBAL);
    if rest.first() == Some(&"container") {
        rest = &rest[1..];
    }
    if rest.first() != Some(&"run") {
        return None;
    }
    let verb_at = words.len() - rest.len();
    let mut container = Container { runtime: runtime.to_owned(), verb_at, ..Container::default() };
    let mut words = rest[1..].iter().copied();
    // Up to the image: what comes behind it is the agent's.
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            if long.is_empty() {
                break;
            }
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None if ALONE.contains(&long) => (long, None),
                None => (long, words.next()),
            };
            container.long(name, value);
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for (place, letter) in letters.char_indices() {
                let value = &letters[place + letter.len_utf8()..];
                if ALONE_SHORT.contains(letter) {
                    // `-i=false`
                    let off = value.strip_prefix('=').is_some_and(is_off);
                    container.interactive |= letter == 'i' && !off;
                    if value.starts_with('=') {
                        break;
                    }
                    continue;
                }
                let value = if value.is_empty() { words.next() } else { Some(value.trim_start_matches('=')) };
                if letter == 'v' {
                    container.volume(value);
                }
                break;
            }
        } else {
            break;
        }
    }
    Some(container)
}

fn is_off(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "false" | "0" | "f")
}

impl Container {
    fn long(&mut self, name: &str, value: Option<&str>) {
        match name {
            "interactive" => self.interactive = !value.is_some_and(is_off),
            "volume" => self.volume(value),
            "mount" => self.mount(value),
            "cidfile" => self.names_its_id_file = true,
            _ => {}
        }
    }

    /// `SOURCE:TARGET[:OPTIONS]`; a source that is no path is the name of a volume, and no source is a new one.
    fn volume(&mut self, value: Option<&str>) {
        let Some((source, _)) = value.and_then(|value| value.split_once(':')) else { return };
        if source.contains('/') || source.starts_with('.') {
            self.mounts.push(PathBuf::from(source));
        }
    }

    /// `type=bind,source=…,target=…`
    fn mount(&mut self, value: Option<&str>) {
        let parts = || value.unwrap_or_default().split(',').filter_map(|part| part.split_once('='));
        let is_bind = parts().any(|part| part == ("type", "bind"));
        if let Some((_, source)) = parts().find(|(name, _)| matches!(*name, "source" | "src"))
            && is_bind
        {
            self.mounts.push(PathBuf::from(source.trim_matches('"')));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_found_through_prefixes_flags_and_every_form_of_a_mount() {
        let rows: &[(&str, &str)] = &[
            ("docker run image agent", "docker"),
            ("docker run -v /w:/work image agent -v /x:/y", "docker /w"),
            ("/usr/bin/podman run --rm --volume /w:/work:ro,Z image", "podman /w"),
            ("docker run --volume=/w:/work -i image", "docker -i /w"),
            ("docker run -it -v/w:/work image", "docker -i /w"),
            ("docker run -itv /w:/work image", "docker -i /w"),
            ("docker run --mount type=bind,source=/w,target=/work,readonly image", "docker /w"),
            ("docker run --mount=type=bind,dst=/work,src=./w image", "docker ./w"),
            ("docker run --mount type=volume,source=cache,target=/c -v cache:/c -v /c image", "docker"),
            ("docker run -v ../w:/work -v ..:/up image", "docker ../w .."),
            ("docker run -w /x -e A=1 --name me -u 1:1 -i image", "docker -i"),
            ("docker run --interactive=false image", "docker"),
            ("docker run -i=true image", "docker -i"),
            ("docker run --env -i image", "docker"),
            ("docker run -- image -i", "docker"),
            ("docker run -i --network none --entrypoint sh image -v /a:/b", "docker -i"),
            ("docker -H tcp://h:1 --context far --tls container run -i image", "docker -i"),
            ("podman --root /r --log-level=debug run -i image", "podman -i"),
            ("sudo docker run -v /w:/w image", "docker /w"),
            ("sudo -n -u me -E A=1 docker run -v /w:/w image", "docker /w"),
            ("sudo -nu me -- docker run -i image", "docker -i"),
            ("sudo --user=me env -i -u X A=1 B=2 docker run -i image", "docker -i"),
            ("env A=/x timeout -k 5 30m nice -n 5 podman run -i image", "podman -i"),
            ("docker exec -i box agent", ""),
            ("docker compose run agent", ""),
            ("agent docker run -i image", ""),
            ("claude -p", ""),
            ("sudo -u", ""),
            ("docker", ""),
            ("timeout", ""),
            ("docker run", "docker"),
            ("docker run -v", "docker"),
            ("", ""),
        ];
        for (line, wanted) in rows {
            let argv: Vec<&str> = line.split_whitespace().collect();
            let found = find(&argv).map_or_else(String::new, |container| {
                let mut words = vec![container.runtime];
                words.extend(container.interactive.then(|| "-i".to_owned()));
                words.extend(container.mounts.iter().map(|mount| mount.display().to_string()));
                words.join(" ")
            });
            assert_eq!(found, *wanted, "{line}");
            if let Some(container) = find(&argv) {
                assert_eq!(argv[container.verb_at], "run", "{line}");
            }
        }
    }
}
