#!/usr/bin/env python3
"""How long a program that waits for an hour takes to end when it is told to.

    cargo build --release
    python3 benches/backoff_stop.py [--provost PATH] [--runs 20] [--goal 50]
    python3 benches/backoff_stop.py --beside agent-runner --peers DIR [--install] [--peer-runs 3]

A loopback server answers 429 with `retry-after` of an hour (--after). The run is ready to wait for that long
(`retry.wait`, and `--wait` where the binary has it). Once its journal says that it waits, a signal is sent; the time is
from the signal to the end of the process. Two situations, each with TERM, INT and `provost stop` (where the binary has
it; from the call of that verb to the end of the run, with the start of a second process): the wait is the run's own, for what
the server has told it (each run with a state directory of its own); and the wait is for what another run was told
before (one state directory for all of them, so that none of the later ones should send a request at all).

`floor` is a process that has nothing to do but end, on the same machine at the same time; its row comes first and last.

`--beside agent-runner` measures cli-agent-runner 0.3.14 in the same situation: its agent is a script that says, in the
words of the claude CLI, that the account's limit is reached for an hour. It is found in a virtual environment
`agent-runner` under --peers, or put there by --install.
"""

import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import loopback

HERE = pathlib.Path(__file__).resolve().parent
SIGNALS = {"TERM": signal.SIGTERM, "INT": signal.SIGINT}
STOP = "stop"


class Handler(loopback.Handler):
    def do_POST(self):
        self.body()
        with self.server.lock:
            self.server.count += 1
        error = {"type": "error", "error": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Too many requests for this account."}}
        self.reply(429, error, [("retry-after", f"{self.server.after:g}")])


def ready():
    # A shell's background job ignores INT, and its children would do so too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def stop(child, ask, patience):
    """Seconds from the asking to the end, and the exit code; a child that has not ended by then is killed."""
    begin = time.perf_counter()
    ask()
    try:
        code = child.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        loopback.kill_all(child.pid)
        child.wait()
        code = "still going"
    return time.perf_counter() - begin, code


def row(name, seconds, codes, note=""):
    codes = " ".join(sorted(set(map(str, codes))))
    if seconds:
        figures = f"{len(seconds):>6}{statistics.median(seconds) * 1000:>12.1f}{max(seconds) * 1000:>12.1f}"
    else:
        figures = f"{0:>6}{'-':>12}{'-':>12}"
    print(f"  {name:<50}{figures}  exit {codes or '-'}{'; ' + note if note else ''}", flush=True)


def provost_row(given, patient, verdict, shared, name):
    server = loopback.Server(Handler)
    server.count, server.after = 0, given.after
    server.start()
    seconds, codes, astray, returned = [], [], [], []
    with loopback.Place("stop", given) as place:
        profile = place.profile("stop", server.url(), given.api)
        for number in range(given.runs):
            run = place.path / f"run-{number}"
            environment = place.environment("state" if shared else f"state-{number}")
            command = [given.provost, "run", "-q", "-p", profile, "--set", "retry.wait=2h", *patient, "--out", run, "Wait."]
            child = subprocess.Popen(command, cwd=place.path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            until, events = time.monotonic() + 20, []
            while time.monotonic() < until and child.poll() is None:
                events = loopback.journal(run)
                if events and events[-1]["kind"] == "wait.started":
                    break
                time.sleep(0.01)
            if child.poll() is not None or not events or events[-1]["kind"] != "wait.started":
                loopback.kill_all(child.pid)
                said = child.communicate()[1].decode(errors="replace").strip()
                failed = next((event["class"] for event in reversed(loopback.journal(run)) if event["kind"] == "attempt.failed"), "no failure")
                astray.append(f"exit {child.returncode}, {failed}: {said[-160:]}")
                continue
            # The wait should be older than the event that announces it.
            time.sleep(0.1)
            if name == STOP:
                verbs, begin = [], time.perf_counter()
                call = [given.provost, "stop", "-q", f"./{run.name}"]
                took, code = stop(child, lambda: verbs.append(subprocess.Popen(call, cwd=place.path, env=environment, stdin=subprocess.DEVNULL)), 60)
                if verbs[0].wait(60) != 0:
                    astray.append(f"the verb exits with {verbs[0].returncode}")
                returned.append(time.perf_counter() - begin)
            else:
                took, code = stop(child, lambda: child.send_signal(SIGNALS[name]), 60)
            child.stderr.close()
            seconds.append(took)
            codes.append(code)
    server.stop()
    label = f"provost, {'another run was told' if shared else 'told itself'}, {name}"
    note = f"{server.count} requests" + (f"; {len(astray)} went astray" if astray else "")
    if returned:
        note += f"; the verb returned after {statistics.median(returned) * 1000:.1f} ms"
    row(label, seconds, codes, note)
    if astray:
        verdict(False, f"{label}: it waits, and is asked to end", astray[0])
    if seconds:
        verdict(max(seconds) * 1000 < given.goal, f"{label}: ends within {given.goal:g} ms", f"at most {max(seconds) * 1000:.1f} ms")
        wanted = 0 if name == STOP else 128 + SIGNALS[name]
        verdict(set(codes) == {wanted}, f"{label}: exit code {wanted}", " ".join(sorted(set(map(str, codes)))))


def floor_row(given):
    seconds, codes = [], []
    for _ in range(given.runs):
        child = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL)
        time.sleep(0.1)
        took, code = stop(child, child.terminate, 60)
        seconds.append(took)
        codes.append(code)
    row("floor: sleep, TERM", seconds, codes)


CONFIG = """schema_version = 1
[agent]
command = ["{agent}"]
prompt_arg_template = ["-p"]
prompt_delivery = "stdin"
[runtime]
work_dir = "{work}"
log_dir = "{logs}"
restart_delay_s = 1
[prompt]
file = "prompt.md"
"""
# What the claude CLI prints when the limit of five hours is reached.
LIMITED = """#!/bin/sh
cat >/dev/null
printf '{{"type":"rate_limit_event","rate_limit_info":{{"status":"rejected","rateLimitType":"five_hour","resetsAt":%s}}}}\\n' "$(( $(date +%s) + {after:.0f} ))"
printf '{{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"limit reached"}}\\n'
exit 1
"""


def agent_runner(given):
    directory = pathlib.Path(given.peers) / "agent-runner"
    entry = directory / "bin/agent-runner"
    if not entry.exists() and given.install:
        subprocess.run([sys.executable, "-m", "venv", directory], check=False)
        subprocess.run([directory / "bin/pip", "-q", "install", "cli-agent-runner==0.3.14"], check=False)
    if not entry.exists():
        print(f"  agent-runner: not measured: not under {directory} (see --install)")
        return
    for name in SIGNALS:
        seconds, codes, note = [], [], ""
        for _ in range(given.peer_runs):
            with loopback.Place("stop-peer", given) as place:
                work, logs = place.path / "work", place.path / "logs"
                work.mkdir()
                # A parser is chosen by the agent's name.
                agent = place.path / "claude"
                agent.write_text(LIMITED.format(after=given.after))
                agent.chmod(0o755)
                # It takes a short prompt for a mistake.
                (work / "prompt.md").write_text("Wait until somebody tells you to stop.\n" * 20)
                (work / "agent-runner.toml").write_text(CONFIG.format(agent=agent, work=work, logs=logs))
                environment = place.environment(GIT_CONFIG_GLOBAL=str(place.path / "gitconfig"))
                (place.path / "gitconfig").write_text("[user]\nname = bench\nemail = bench@localhost\n")
                for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "begin"]):
                    subprocess.run(["git", *command], cwd=work, env=environment, check=True)
                child = subprocess.Popen([entry, "serve"], cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=ready)
                until, waits = time.monotonic() + 60, False
                while time.monotonic() < until and child.poll() is None and not waits:
                    time.sleep(0.05)
                    waits = any("transient_error_detected" in path.read_text(errors="replace") for path in logs.glob("events-*.jsonl"))
                # Its round has to be over, which takes longer than what it says about it.
                time.sleep(3)
                if not waits or child.poll() is not None:
                    said = "".join(path.read_text(errors="replace") for path in logs.glob("round-*.log"))
                    note = f"did not wait (exit {child.poll()}): {said.strip()[-300:]}"
                    loopback.kill_all(child.pid)
                    child.wait()
                    continue
                took, code = stop(child, lambda: child.send_signal(SIGNALS[name]), 90)
                seconds.append(took)
                codes.append(code)
        row(f"cli-agent-runner 0.3.14, told by its agent, {name}", seconds, codes, note)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provost", default=str(HERE.parent / "target" / "release" / "provost"))
    parser.add_argument("--runs", type=int, default=20, help="for each situation and signal")
    parser.add_argument("--goal", type=float, default=50, help="milliseconds")
    parser.add_argument("--after", type=float, default=3600, help="retry-after, seconds")
    parser.add_argument("--api", default="openai", choices=loopback.APIS)
    parser.add_argument("--beside", default="", choices=["", "agent-runner"])
    parser.add_argument("--peers", default="target/peers", help="where it is installed")
    parser.add_argument("--install", action="store_true", help="install it if it is missing there")
    parser.add_argument("--peer-runs", type=int, default=3, help="for each signal; each may take half a minute")
    loopback.options(parser)
    given = parser.parse_args()
    given.provost, given.peers = os.path.abspath(given.provost), os.path.abspath(given.peers)
    verdict = loopback.Verdict()
    ready()
    told = subprocess.run([given.provost, "run", "--help"], capture_output=True, text=True, check=True).stdout
    verbs = subprocess.run([given.provost, "--help"], capture_output=True, text=True, check=True).stdout
    names = [*SIGNALS] + [STOP] * (f"\n  {STOP} " in verbs)
    patient = ["--wait"] if "--wait" in told else []
    print(f"a wait of {given.after:g} s{'' if patient else '; this binary has no --wait'}")
    print(loopback.busy())
    print(f"  {'':<50}{'runs':>6}{'median ms':>12}{'max ms':>12}")
    if given.runs:
        floor_row(given)
        for shared in (False, True):
            for name in names:
                provost_row(given, patient, verdict, shared, name)
        floor_row(given)
    if given.beside:
        agent_runner(given)
    sys.exit(verdict.code)


if __name__ == "__main__":
    main()
