#!/usr/bin/env python3
"""What `provost supervise` costs, beside cli-agent-runner 0.3.14. Python 3, standard library only; Linux.

    cargo build --release
    python3 benches/supervise.py [--provost PATH] [--only abcdef] [--beside agent-runner --peers DIR [--install]]

  a  What a round costs over its agent: from the start of one agent to the start of the next, by the agents' own clocks,
     less the pause and less what the same agent takes when only this script starts it, as seldom. With a pause of 1 s, which
     is the shortest that cli-agent-runner has, and back to back; with 0 and with --events earlier events; with the work
     tree ignored, and stashed, which needs a git each round (the tree is clean). On the disk that --dir lies on, and
     below --memory, where waiting for the disk costs nothing.
  b  An idle loop: wake-ups and memory of provost and of its guard, while an agent sleeps, and in a pause of an hour.
  c  How soon the end of an agent is on record: from the last thing that the agent does to the stamp of the event, and to
     the moment at which a reader of standard output has the line.
  d  `provost peek` at --events events: with the index that its writer left, with one that is as far behind as it can be
     when a run is killed, and without any.
  e  How long it takes until a run of --events events is gone on with, and its peak memory.
  f  How soon a loop has ended that is told to in a wait: TERM, to the end of the process.

The earlier events are those of one round of a real run, repeated (see long_runs.py). Peak memory is that of the largest
process of a call, from wait4(2); the kernel counts this script's own at the time of the fork as the child's, so that no
figure can be below `floor`. cli-agent-runner is found in a virtual environment `agent-runner` below --peers, or put there
by --install. Figures are medians unless they say otherwise. On a machine that others use, `chrt -f 1` in front of it keeps their work out
of what is measured; without it a round is mostly a wait for a processor.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import sys
import time

import loopback
from long_runs import LongRun, agent_runner_events
from loops import AGENT, FAILS, LIMITED, Ours, Theirs, ready

HERE = pathlib.Path(__file__).resolve().parent


def ms(seconds):
    return "-" if not seconds else f"{statistics.median(seconds) * 1000:.2f}"


def row(name, *cells):
    print(f"  {name:<64}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


def waiting_for_the_disk(directory, count=100):
    """What it takes to have 200 bytes at the end of a file on the disk."""
    path, took = pathlib.Path(directory) / "synced", []
    with open(path, "ab", buffering=0) as file:
        for _ in range(count):
            file.write(b"x" * 200)
            begin = time.perf_counter()
            os.fdatasync(file)
            took.append(time.perf_counter() - begin)
    path.unlink()
    return took


def syncs(place, rounds):
    """Calls of fsync and fdatasync of provost in a round, where strace is there to count them."""
    project = Ours(place, "syncs", pause="1ms")
    counts = project.path / "counts"
    if subprocess.run(["sh", "-c", "command -v strace"], stdout=subprocess.DEVNULL).returncode:
        return None
    found = []
    for number in (1, rounds + 1):
        project.out = project.path / f"run-{number}"
        command = ["strace", "-f", "-q", "-c", "-e", "trace=fsync,fdatasync", "-o", counts, *project.command(), "--rounds", str(number)]
        subprocess.run(command, cwd=project.work, env=project.environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        found.append(sum(int(line.split()[3]) for line in counts.read_text().splitlines() if line.endswith("sync")))
    return (found[1] - found[0]) / rounds


def long_run(place, events):
    """A project with a run of so many earlier events, and the index that provost writes for it."""
    real = Ours(place, "real")
    real.rounds(3)
    long = LongRun(real.out, place.path / "long", events)
    real.out = long.path
    index_of(real, long)
    long.keep_index()
    long.reset()
    return real, long


def index_of(real, long):
    """The index that provost leaves when it takes the run up and is killed."""
    child = real.start()
    real.until(child, lambda: bool(real.started()), 0.05)
    loopback.kill_all(child.pid)
    child.wait()
    return long.index.read_bytes()


def measure_rounds(given, place, label, earlier):
    """Part a in one place."""
    print(f"a  a round over its agent, ms; {label}")
    bare_of = Ours(place, "bare")
    bare, took, disk = {1.0: [], 0.001: []}, {}, []
    cases = {}
    for pause in ("1s", "1ms"):
        for dirty in ("ignore", "stash"):
            project = Ours(place, f"a-{pause}-{dirty}", pause=pause, dirty=dirty)
            cases[f"0 earlier events, pause {pause}, {dirty}"] = (project, None)
            if earlier:
                again = Ours(place, f"a-long-{pause}-{dirty}", pause=pause, dirty=dirty)
                again.rounds(1)
                cases[f"{earlier.events:,} earlier events, pause {pause}, {dirty}"] = (again, again.out)
    for repetition in range(given.repeat):
        disk += waiting_for_the_disk(place.path)
        for name, (project, real) in cases.items():
            if real:
                earlier.reset()
                earlier.belongs_to(real)
                project.out = earlier.path
            else:
                project.out = project.path / f"run-{repetition}"
            pause = {"1s": 1.0, "1ms": 0.001}[project.settings["pause"]]
            count = given.rounds if pause == 1.0 else 4 * given.rounds
            took.setdefault(name, []).extend(each - pause for each in project.rounds(count))
            # After each case, so that a busy moment of the machine meets both.
            bare[pause] += bare_of.bare(max(2, count // 2), pause)
    alone = {pause: statistics.median(each) for pause, each in bare.items()}
    row("the agent alone, once a second", len(bare[1.0]), ms(bare[1.0]))
    row("the agent alone, back to back", len(bare[0.001]), ms(bare[0.001]))
    row("200 bytes appended and on the disk (fdatasync)", "", ms(disk))
    row("", "rounds", "over agent", "worst tenth")
    for name, each in took.items():
        over = [one - alone[1.0 if "pause 1s" in name else 0.001] for one in each]
        row(f"provost, {name}", len(over), ms(over), f"{statistics.quantiles(over, n=10)[-1] * 1000:.2f}")


def measure_their_rounds(given, place, events):
    for dirty in ("ignore", "stash") if events == 0 else ("ignore",):
        project = Theirs(place, f"theirs-{events}-{dirty}", dirty=dirty)
        if events:
            agent_runner_events(project.logs, events)
        alone = statistics.median(project.bare(5, 1.0))
        over = [each - 1.0 - alone for each in project.rounds(given.peer_rounds)]
        row(f"{Theirs.name}, {events:,} earlier events, pause 1s, {dirty}", len(over), ms(over), f"{max(over) * 1000:.2f}")


def switches(pid):
    """Voluntary context switches of all threads of a process, by thread."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        text = (task / "status").read_text()
        found[task.name] = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])
    return found


def status_mb(pid, name):
    """A figure of /proc/PID/status, MB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) / 1024


def comm(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def watch_idle(given, label, child, roles):
    """Looks at processes for a while in which nothing should happen."""
    time.sleep(given.settle)
    pids = [(role, pid) for role, pid in roles(child)]
    before = {pid: switches(pid) for _, pid in pids}
    begin = time.monotonic()
    time.sleep(given.idle)
    took = time.monotonic() - begin
    for role, pid in pids:
        after = switches(pid)
        wakes = sum(after.values()) - sum(before[pid].values())
        row(f"{label}: {role}", len(after), f"{wakes}", f"{wakes / took:.2f}", *(f"{status_mb(pid, name):.1f}" for name in ("VmRSS", "RssAnon", "RssFile")))


def measure_idle(given, place):
    print(f"b  an idle loop, over {given.idle} s")
    row("", "threads", "wake-ups", "per second", "RSS MB", "anon MB", "file MB")

    def ours(child):
        return [("provost", child.pid)] + [("its guard", pid) for pid in loopback.under(child.pid) if comm(pid) == "provost-guard"]

    def theirs(child):
        below = [pid for pid in loopback.under(child.pid) if comm(pid) not in ("claude", "sleep")]
        return [("serve", child.pid)] + [("its round process", pid) for pid in below]

    for sample in ("10s", "1h"):
        extra = f'[supervise.host]\nsample = "{sample}"\n'
        project = Ours(place, f"idle-agent-{sample}", more="sleep 3600", extra=extra)
        child = project.start()
        project.until(child, lambda: any(event["kind"] == "agent.spawned" for event in project.events()))
        watch_idle(given, f"provost, an agent sleeps, a sample each {sample}", child, ours)
        child.terminate()
        time.sleep(0.2)
        project.end(child)
        project = Ours(place, f"idle-pause-{sample}", pause="1h", extra=extra)
        child = project.start()
        project.until(child, lambda: project.waits("pause"))
        watch_idle(given, f"provost, a pause of an hour, a sample each {sample}", child, ours)
        project.end(child)
    if Theirs.program:
        for name, more, pause in (("an agent sleeps", "sleep 3600", "1s"), ("a pause of an hour", "", "3600s")):
            project = Theirs(place, f"idle-theirs-{pause}", more=more, pause=pause)
            child = project.start()
            kind = "agent_spawn" if more else "round_end"
            project.until(child, lambda: any(event["event"] == kind for event in project.events()), 0.1)
            watch_idle(given, f"{Theirs.name}, {name}", child, theirs)
            loopback.kill_all(child.pid)
            child.wait()


def measure_exit(given, place):
    print("c  from the last thing that an agent does to its end on record, ms")
    row("", "rounds", "median", "max")
    # Long enough for all that was woken by its start to sleep again.
    project = Ours(place, "exit", more="sleep 0.05", pause="1ms")
    child = project.start("--json", stdout=subprocess.PIPE)
    heard, stamped = [], []
    for line in child.stdout:
        now = time.time()
        event = json.loads(line)
        if event.get("kind") == "agent.exited":
            heard.append(now)
            stamped.append(seconds(event["at"]))
        if len(heard) > given.exits:
            break
    child.terminate()
    child.stdout.read()
    project.end(child)
    done = [times[1] for times in project.started()]
    for name, times in (("by the stamp of the event", stamped), ("until a reader of standard output has it", heard)):
        late = [after - before for before, after in zip(done, times)]
        row(f"provost, {name}", len(late), ms(late), f"{max(late) * 1000:.2f}")
    if Theirs.program:
        project = Theirs(place, "exit-theirs", more="sleep 0.05")
        project.rounds(given.peer_exits)
        done = [times[1] for times in project.started()]
        times = [seconds(event["ts"]) for event in project.events() if event["event"] == "agent_exit"]
        late = [after - before for before, after in zip(done, times)]
        row(f"{Theirs.name}, by the stamp of the event", len(late), ms(late), f"{max(late) * 1000:.2f}")


def seconds(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def call(argv, cwd, environment):
    """Seconds, and peak MB, of a call that goes well."""
    nothing = os.open("/dev/null", os.O_RDWR)
    os.chdir(cwd)
    begin = time.perf_counter()
    pid = os.posix_spawn(argv[0], [str(arg) for arg in argv], environment, file_actions=[(os.POSIX_SPAWN_DUP2, nothing, to) for to in (0, 1, 2)])
    _, status, usage = os.wait4(pid, 0)
    took = time.perf_counter() - begin
    os.close(nothing)
    os.chdir("/")
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(map(str, argv))} ended with {os.waitstatus_to_exitcode(status)}")
    return took, usage.ru_maxrss / 1024


QUESTIONS = (["--json"], ["--select", "spend.usd"], ["--select", "events.round.ended", "--window", "20"], [])


def measure_peek(given, place, real, long):
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"d  peek at {long.events:,} events, {long.size / 1e6:.0f} MB; floor of peak MB: {floor:.1f}")
    row("", "calls", "ms", "max ms", "peak MB")
    fresh = long.kept
    behind = stale(real, long)
    for state, index, calls in (("the index is as its writer left it", fresh, given.peeks), ("the index is 1 MiB behind", behind, given.peeks), ("no index", None, 3)):
        long.reset(index=False)
        if index:
            long.index.write_bytes(index)
        for question in QUESTIONS:
            found = [call([Ours.program, "peek", long.path, *question], place.path, real.environment) for _ in range(calls)]
            took = [each[0] for each in found]
            row(f"provost peek {' '.join(question)}; {state}", calls, ms(took), f"{max(took) * 1000:.2f}", f"{max(each[1] for each in found):.1f}")
    long.reset()


def stale(real, long):
    """The index, as one of a journal that was 1 MiB shorter: one that provost made of it when it was."""
    size, kept = long.size, long.kept
    with open(long.journal, "rb") as journal:
        journal.seek(size - 1024 * 1024)
        text = journal.read()
    # A whole round less, so that it can be gone on with.
    cut = text.index(b'"kind":"budget.reserved"')
    cut = text.rindex(b"\n", 0, cut) + 1
    with open(long.journal, "r+b") as journal:
        journal.truncate(size - len(text) + cut)
    long.index.unlink(missing_ok=True)
    behind = index_of(real, long)
    with open(long.journal, "r+b") as journal:
        journal.truncate(size - len(text) + cut)
        journal.seek(0, os.SEEK_END)
        journal.write(text[cut:])
    long.kept = kept
    return behind


def measure_their_peek(given, place):
    project = Theirs(place, "peek-theirs")
    path = agent_runner_events(project.logs, given.events)
    print(f"   cli-agent-runner at {given.events:,} events, {path.stat().st_size / 1e6:.0f} MB")
    argvs = [["--json", "peek"], ["peek", "--select", "system.disk_used_pct"], ["events", "--kind", "agent_usage_recorded", "--window", "20"]]
    for argv in argvs:
        found = [call([Theirs.program, *argv], project.work, project.environment) for _ in range(given.peer_peeks)]
        took = [each[0] for each in found]
        row(f"agent-runner {' '.join(argv)}", len(took), ms(took), f"{max(took) * 1000:.2f}", f"{max(each[1] for each in found):.1f}")
    return project


def measure_resume(given, real, long):
    print(f"e  a run of {long.events:,} events is gone on with")
    row("", "runs", "s", "peak MB")
    took, peak = [], []
    for _ in range(given.resumes):
        long.reset()
        begin = time.time()
        child = real.start()
        real.until(child, lambda: bool(real.started()), 0.005)
        took.append(real.started()[0][0] - begin)
        peak.append(status_mb(child.pid, "VmHWM"))
        loopback.kill_all(child.pid)
        child.wait()
    row("provost, to the start of the agent", len(took), f"{statistics.median(took):.2f}", f"{max(peak):.1f}")
    long.reset()


def measure_their_resume(given, project):
    """It keeps no state but the log: what it takes from its start to the first agent."""
    begin = time.time()
    child = project.start()
    project.until(child, lambda: bool(project.started()), 0.05)
    took, peaks = project.started()[0][0] - begin, [status_mb(pid, "VmHWM") for pid in [child.pid, *loopback.under(child.pid)] if pathlib.Path(f"/proc/{pid}").exists()]
    loopback.kill_all(child.pid)
    child.wait()
    row(f"{Theirs.name}, to the start of the agent", 1, f"{took:.2f}", f"{max(peaks):.1f}")


def measure_stop(given, place):
    print("f  TERM in a wait, to the end of the process, ms")
    row("", "runs", "median", "max", "exit code")
    # A window that is open for a minute a week, and never now.
    now = time.gmtime(time.time() + 3 * 86400)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[now.tm_wday]
    cases = {
        "a pause of an hour": ("pause", AGENT, {"pause": "1h"}),
        "a back-off after a crash": ("backoff", FAILS, {"pause": "30m", "extra": '[supervise.backoff]\nceiling = "2h"\n'}),
        "a limit of an hour": ("limit", LIMITED, {}),
        "a schedule": ("schedule", AGENT, {"extra": f'[supervise.schedule]\ntimezone = "UTC"\nrun = ["{day} 12:00-12:01"]\n'}),
    }
    for name, (cause, agent, settings) in cases.items():
        project = Ours(place, f"stop-{cause}", agent, **settings)
        took, codes = [], set()
        for number in range(given.stops):
            project.out = project.path / f"run-{number}"
            child = project.start()
            project.until(child, lambda: project.waits(cause))
            # The wait should be older than the event that announces it.
            time.sleep(0.1)
            begin = time.perf_counter()
            child.terminate()
            codes.add(child.wait(60))
            took.append(time.perf_counter() - begin)
        row(f"provost, {name}", len(took), ms(took), f"{max(took) * 1000:.2f}", " ".join(map(str, sorted(codes))))
    if not Theirs.program:
        return
    for name, agent, kind, pause in (("its restart delay of an hour", AGENT, "round_substrate_after", "3600s"), ("its back-off for a limit", LIMITED, "transient_error_detected", "1s")):
        took, codes = [], set()
        for number in range(given.peer_stops):
            project = Theirs(place, f"stop-{kind}-{number}", agent, pause=pause)
            child = project.start()
            project.until(child, lambda: any(event["event"] == kind for event in project.events()), 0.05)
            time.sleep(3)
            begin = time.perf_counter()
            child.terminate()
            codes.add(child.wait(90))
            took.append(time.perf_counter() - begin)
        row(f"{Theirs.name}, {name}", len(took), ms(took), f"{max(took) * 1000:.2f}", " ".join(map(str, sorted(codes))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provost", default=str(HERE.parent / "target" / "release" / "provost"))
    parser.add_argument("--only", default="abcdef", help="which parts")
    parser.add_argument("--events", type=int, default=2_000_000, help="earlier events")
    parser.add_argument("--repeat", type=int, default=3, help="how often each case of part a is measured, in turn")
    parser.add_argument("--rounds", type=int, default=10, help="of each case of part a, each time; back to back four times as many")
    parser.add_argument("--memory", default="/dev/shm", help="a directory in memory, or nothing")
    parser.add_argument("--idle", type=float, default=30, help="seconds of part b")
    parser.add_argument("--settle", type=float, default=6, help="seconds before part b looks")
    parser.add_argument("--exits", type=int, default=200, help="rounds of part c")
    parser.add_argument("--peeks", type=int, default=20, help="calls of part d")
    parser.add_argument("--resumes", type=int, default=3, help="runs of part e")
    parser.add_argument("--stops", type=int, default=20, help="runs of part f, in each wait")
    parser.add_argument("--beside", default="", choices=["", "agent-runner"])
    parser.add_argument("--peers", default="target/peers", help="where it is installed")
    parser.add_argument("--install", action="store_true", help="install it if it is missing there")
    parser.add_argument("--peer-rounds", type=int, default=10, help="of part a without earlier events; with them a third")
    parser.add_argument("--peer-exits", type=int, default=20)
    parser.add_argument("--peer-peeks", type=int, default=3)
    parser.add_argument("--peer-stops", type=int, default=3, help="each may take half a minute")
    loopback.options(parser)
    given = parser.parse_args()
    Ours.program = os.path.abspath(given.provost)
    if given.beside:
        directory = pathlib.Path(os.path.abspath(given.peers)) / "agent-runner"
        entry = directory / "bin/agent-runner"
        if not entry.exists() and given.install:
            subprocess.run([sys.executable, "-m", "venv", directory], check=False)
            subprocess.run([directory / "bin/pip", "-q", "install", "cli-agent-runner==0.3.14"], check=False)
        if not entry.exists():
            sys.exit(f"cli-agent-runner is not below {directory} (see --install)")
        Theirs.program = str(entry)
    ready()
    print(f"{Ours.program}; {loopback.busy()}", flush=True)
    with loopback.Place("supervise", given) as place:
        if set("ade") & set(given.only):
            real, long = long_run(place, given.events)
        if "a" in given.only:
            counted = syncs(place, 10)
            measure_rounds(given, place, f"{place.path.parent}" + (f"; {counted:g} waits for the disk a round" if counted is not None else ""), long)
            if Theirs.program:
                measure_their_rounds(given, place, 0)
                given.peer_rounds = max(2, given.peer_rounds // 3)
                measure_their_rounds(given, place, given.events)
            if given.memory:
                given.dir = given.memory
                with loopback.Place("supervise", given) as memory:
                    measure_rounds(given, memory, f"{memory.path.parent}, where waiting for the disk costs nothing", None)
        if "b" in given.only:
            measure_idle(given, place)
        if "c" in given.only:
            measure_exit(given, place)
        if "d" in given.only:
            measure_peek(given, place, real, long)
        if "e" in given.only:
            measure_resume(given, real, long)
        if Theirs.program and set("de") & set(given.only):
            project = measure_their_peek(given, place)
            measure_their_resume(given, project)
        if "f" in given.only:
            measure_stop(given, place)
    print(loopback.busy())


if __name__ == "__main__":
    main()
