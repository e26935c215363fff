#!/usr/bin/env python3
"""What provost costs, side by side with what it is compared to. Python 3, standard library only.

    cargo build --release
    python3 benches/side_by_side.py [--provost PATH] [--quick] [--only abcd] [--dir DIR]

Repetitions of what stands side by side are interleaved, so that a busy moment of the machine meets all of them, and
each figure is a median. Everything happens in a fresh directory under --dir (default: the directory for temporary
files), which must be on a disk whose cost you want to see: prompts and journals are synced to it. Needs 2 GB there.

  a  A round with an agent that exits at once, less the agent alone. `one run` is a whole `provost run`; `per round` is
     what a further round adds inside a run (N rounds less one round, over N - 1). Once with an earlier run of 10
     events in the root, once with one of 1,000,000.
  b  An agent that prints 500 MB, parsed while it runs and kept on disk; beside it the agent alone into a file, and
     into /dev/null. With exit code 0 and 3 of the agent.
  c  `provost --version`, beside `/bin/true`.
  d  `provost peek` on a run of 1,000,000 events, with the index that its writer left, and with the index removed.

The run of 1,000,000 events is one round of a real run, repeated with its numbers moved on; the index is written by
provost itself, which takes the run up again and ends it. Peak memory is that of the largest process of the call, from
wait4(2). The kernel counts this script's own memory at the time of the fork as the child's, so no figure can be below
`floor`.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
AGENTS = HERE / "agents"
# The check never passes, or the rounds are used up.
UNDELIVERED = (1, 5)
DEVNULL = os.open("/dev/null", os.O_RDWR)


class Ran:
    """One finished process."""

    def __init__(self, seconds, code, rss_mb):
        self.seconds, self.code, self.rss_mb = seconds, code, rss_mb


def call(argv, cwd, out=None, stdin=None, expect=(0,)):
    """Runs a program to its end. Its output goes to `out`, or nowhere."""
    def opened(path, flags):
        return os.open(path, flags, 0o644)
    stdout = opened(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if out else DEVNULL
    source = opened(stdin, os.O_RDONLY) if stdin else DEVNULL
    # The working directory is ours, since posix_spawn cannot set it.
    os.chdir(cwd)
    complaints = opened(os.path.join(cwd, "stderr"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    actions = [(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate((source, stdout, complaints))]
    start = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, ENVIRONMENT, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    for fd in (stdout, source, complaints):
        if fd != DEVNULL:
            os.close(fd)
    code = os.waitstatus_to_exitcode(status)
    if expect is not None and code not in expect:
        said = pathlib.Path(cwd, "stderr").read_text(errors="replace")
        sys.exit(f"{' '.join(map(str, argv))} ended with {code}: {said}")
    scale = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Ran(seconds, code, usage.ru_maxrss / scale)


def interleaved(repetitions, cases):
    """Runs each case once per repetition, in turn; the first repetition warms up. Returns name -> list of Ran."""
    found = {name: [] for name in cases}
    for repetition in range(repetitions + 1):
        for name, case in cases.items():
            ran = case()
            if repetition:
                found[name].append(ran)
    return found


def ms(rans):
    return statistics.median(ran.seconds for ran in rans) * 1000


def rss(rans):
    return max(ran.rss_mb for ran in rans)


def row(name, *cells):
    print(f"  {name:<44}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def verdict(value, goal, unit, more=False):
    good = value >= goal if more else value < goal
    return f"{'ok' if good else 'MISSED'} ({'>=' if more else '<'} {goal} {unit})"


def profile(path, agent, rounds=None, check=False, env=None):
    """Writes a profile for one of the agents beside this file."""
    text = 'schema = 1\nname = "bench"\n[agent]\nharness = "command"\nprotocol = "claude-stream-json"\n'
    text += f"command = {json.dumps(['sh', str(agent)])}\n"
    if env:
        text += "[agent.env]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in env.items())
    if check:
        # Never true, and what it says quotes the answer: the same failure three times would end the run.
        text += '[check.json]\npath = "id"\nequals = "none"\n'
    if rounds:
        text += f"[budget]\nrounds = {rounds}\n"
    path.write_text(text)
    return path


def only_run(root):
    [run] = (root / "runs").iterdir()
    return run


def generate(template, root, count):
    """Writes a run of `count` events into `root`: the round of `template`, again and again. Has no index and no end."""
    source = (template / "journal.jsonl").read_text().splitlines()
    header, events = source[0], [json.loads(line) for line in source[1:]]
    first = next(i for i, event in enumerate(events) if event["kind"] == "budget.reserved")
    last = next(i for i, event in enumerate(events) if event["kind"] == "check.ended")
    shapes = []
    for event in events[first:last + 1]:
        event = dict(event, seq=-111111)
        if "round" in event:
            event["round"] = -222222
        line = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        shapes.append(line.replace("-111111", "\0").replace("-222222", "\1") + "\n")
    run = root / "runs" / template.name
    run.mkdir(parents=True)
    shutil.copy(template / "manifest.json", run / "manifest.json")
    for name in ("prompts", "blobs", "rounds"):
        if (template / name).is_dir():
            shutil.copytree(template / name, run / name)
    with open(run / "journal.jsonl", "w", encoding="utf-8") as journal:
        journal.write(header + "\n")
        for event in source[1:first + 1]:
            journal.write(event + "\n")
        # Whole rounds only, so that what is due next is a decision.
        seq, number = first, 0
        while seq + len(shapes) <= max(count - 2, first + len(shapes)):
            number += 1
            for shape in shapes:
                seq += 1
                journal.write(shape.replace("\0", str(seq)).replace("\1", str(number)))
    return run, seq


def part_a(work, repetitions, template):
    print("a  an agent that exits at once: overhead of provost over the bare agent, median ms")
    many = 21
    one = profile(work / "one.toml", AGENTS / "varied", rounds=1, check=True)
    more = profile(work / "many.toml", AGENTS / "varied", rounds=many, check=True)
    prompt = work / "prompt"
    prompt.write_text("Do it.")
    cases = {"bare": lambda: call(["sh", str(AGENTS / "varied")], work, out=work / "bare.out", stdin=prompt)}
    labels = []
    for count in (10, 1_000_000):
        root = work / f"root-{count}"
        _, events = generate(template, root, count)
        label = f"{events:,}"
        labels.append(label)
        for name, path in (("one", one), ("many", more)):
            argv = [PROVOST, "run", "--quiet", "--root", str(root), "-p", str(path), "Do it."]
            cases[f"{name} {label}"] = lambda argv=argv: call(argv, work, expect=UNDELIVERED)
    found = interleaved(repetitions, cases)
    bare = ms(found["bare"])
    row("", "ms", "over bare", "")
    row("bare `sh agent`", f"{bare:.2f}", "", "")
    for label in labels:
        single = ms(found[f"one {label}"])
        each = (ms(found[f"many {label}"]) - single) / (many - 1)
        row(f"one run, {label} earlier events", f"{single:.2f}", f"{single - bare:.2f}", "")
        row(f"per round, {label} earlier events", f"{each:.2f}", f"{each - bare:.2f}",
            verdict(each - bare, 5, "ms"))
    results = (work / "root-10" / "runs").glob("*/result.json")
    rounds = [json.loads(result.read_text())["rounds"] for result in results]
    if sorted(set(rounds)) != [1, many] or rounds.count(1) != rounds.count(many):
        sys.exit(f"the runs had {rounds} rounds, not 1 and {many}: `per round` means nothing")


def part_b(work, repetitions, size):
    print(f"b  an agent that prints {size / 1e6:.0f} MB")
    prompt = work / "prompt"
    prompt.write_text("Do it.")
    root = work / "root-chatty"
    agent = AGENTS / "chatty" / "claude"
    cases = {}

    def provost(path):
        ran = call([PROVOST, "run", "--quiet", "--root", str(root), "-p", str(path), "Do it."], work, expect=None)
        log = only_run(root) / "rounds" / "root-1.log"
        if log.stat().st_size < size:
            sys.exit(f"{log} is not whole")
        shutil.rmtree(root)
        return ran

    def bare(out):
        ENVIRONMENT["CHATTY_BYTES"] = str(size)
        ran = call(["sh", str(agent)], work, out=out, stdin=prompt)
        if out != "/dev/null":
            # What it leaves to be written back must not slow down the next one.
            os.unlink(out)
        return ran

    cases["bare > /dev/null"] = lambda: bare("/dev/null")
    cases["bare > file"] = lambda: bare(work / "bare.out")
    for code in (0, 3):
        path = profile(work / f"chatty{code}.toml", agent, rounds=1,
                       env={"CHATTY_BYTES": str(size), "CHATTY_RC": str(code)})
        cases[f"provost, agent exits {code}"] = lambda path=path: provost(path)
    found = interleaved(repetitions, cases)
    row("", "MB/s", "peak MB", "exit code")
    for name, rans in found.items():
        speed = size / 1e6 / statistics.median(ran.seconds for ran in rans)
        good = name.startswith("provost")
        goals = (verdict(speed, 400, "MB/s", more=True), verdict(rss(rans), 30, "MB")) if good else ()
        row(name, f"{speed:.0f}", f"{rss(rans):.1f}", rans[-1].code, *goals)


def part_c(work, repetitions):
    print("c  start")
    found = interleaved(repetitions, {
        "/bin/true": lambda: call(["/bin/true"], work),
        "provost --version": lambda: call([PROVOST, "--version"], work),
    })
    row("", "ms", "peak MB", "")
    for name, rans in found.items():
        row(name, f"{ms(rans):.2f}", f"{rss(rans):.1f}",
            verdict(ms(rans), 5, "ms") if name.startswith("provost") else "")


def part_d(work, repetitions, template):
    root = work / "root-peek"
    run, _ = generate(template, root, 1_000_000)
    start = time.perf_counter()
    call([PROVOST, "run", "--quiet", "--root", str(root), "--resume", run.name], work, expect=UNDELIVERED)
    resumed = time.perf_counter() - start
    with open(run / "journal.jsonl", "rb") as journal:
        events = sum(1 for _ in journal) - 1
    index = run / "index.json"
    print(f"d  peek at a run of {events:,} events, {(run / 'journal.jsonl').stat().st_size / 1e6:.0f} MB"
          f" (taken up and ended in {resumed:.1f} s)")
    if not index.exists():
        sys.exit(f"{index} was not written")
    snapshot = work / "snapshot.json"
    call([PROVOST, "peek", "--json", "--root", str(root)], work, out=snapshot)
    bad = json.loads(snapshot.read_text()).get("bad_lines", 0)
    if bad:
        sys.exit(f"{bad} of the generated lines are not valid")
    kinds = {
        "peek": [], "peek --json": ["--json"], "peek --select spend.usd": ["--select", "spend.usd"],
        "peek --select events.round.ended": ["--select", "events.round.ended"],
    }

    def measured(repetitions):
        return interleaved(repetitions, {
            name: lambda more=more: call([PROVOST, "peek", "--root", str(root), *more], work)
            for name, more in kinds.items()
        })

    with_index = measured(repetitions)
    index.rename(work / "index.json")
    without = measured(max(1, repetitions // 5))
    row("", "ms", "peak MB", "ms, no index", "MB, no index", "")
    for name in kinds:
        time_ms, memory = ms(with_index[name]), rss(with_index[name])
        row(name, f"{time_ms:.2f}", f"{memory:.1f}", f"{ms(without[name]):.0f}", f"{rss(without[name]):.1f}",
            verdict(time_ms, 50, "ms") if memory < 30 else verdict(memory, 30, "MB"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--provost", default=str(HERE.parent / "target" / "release" / "provost"))
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and a tenth of the output")
    parser.add_argument("--only", default="abcd", help="which parts")
    parser.add_argument("--dir", help="where to work")
    arguments = parser.parse_args()
    global PROVOST, ENVIRONMENT
    PROVOST = str(pathlib.Path(arguments.provost).resolve())
    ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("PROVOST", "CHATTY"))}
    work = pathlib.Path(tempfile.mkdtemp(prefix="provost-bench-", dir=arguments.dir))
    quick = arguments.quick
    print(f"{PROVOST}; floor of peak MB: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")
    try:
        # One real run gives manifest, header and the shape of a round.
        real = profile(work / "real.toml", AGENTS / "varied", rounds=1, check=True)
        root = work / "root-real"
        call([PROVOST, "run", "--quiet", "--root", str(root), "-p", str(real), "Do it."], work, expect=UNDELIVERED)
        template = only_run(root)
        if "a" in arguments.only:
            part_a(work, 7 if quick else 25, template)
        if "b" in arguments.only:
            part_b(work, 3, 50_000_000 if quick else 500_000_000)
        if "c" in arguments.only:
            part_c(work, 20 if quick else 100)
        if "d" in arguments.only:
            part_d(work, 5 if quick else 25, template)
    finally:
        os.chdir("/")
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
