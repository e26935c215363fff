#!/usr/bin/env python3
"""Chaos: many small tasks before a server that fails in every way it can, at a given share of its requests.

    cargo build --release
    python3 benches/chaos.py [--provost PATH] [--cells 1000] [--share 0.3] [--jobs 4] [--seed 1] [--apis openai,anthropic]

Each cell is one `provost run` of the chat harness that asks for its own word; so many at once (--jobs). Which request of
which cell meets which fault follows from the seed alone. The last piece of each answer is a token that is used once, and
the server remembers for which of them it has sent the marker that says that the answer is whole. Then:

  - every cell ends by itself, with exit code 0 and such a token, or with a failure that has a class;
  - none ends well with anything else;
  - the server has received at most --most (1.6) requests for each cell.

The faults, an equal share each: 429 with retry-after (0.2 s) and without, 529, 500, silence before the first byte,
silence in mid-stream, a stream that ends early, garbage, a stream that trickles in (and is whole), a reset connection.
Deadlines of the profile are short (first_event and stall, --deadline 2 s), so that silence ends soon.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time

import loopback

HERE = pathlib.Path(__file__).resolve().parent
FAULTS = ["429 after", "429 bare", "529", "500", "silent", "stall", "cut", "garbage", "slow", "reset"]
GARBAGE = [
    b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
    b"\x00\xff\xfe\x80 not a stream \xc3\x28\n\n" * 20,
    b'data: {"id": "c1", "choices": [{"index": 0, "del\n\ndata: }{\n\n',
    b"",
]
# Exit codes that a run may have: done, failed, refused, unavailable, budget, gave up.
ENDINGS = (0, 1, 3, 4, 5, 6)


class Handler(loopback.Handler):
    def do_POST(self):
        body, server = self.body(), self.server
        kind = loopback.protocol(self.path)
        if kind is None:
            return self.reply(404, {"error": {"message": "no such path"}})
        cell = re.search(r"cell-(\d+)", body.decode()).group(1)
        with server.lock:
            made = server.made.setdefault(cell, [])
            chance = random.Random(f"{server.seed}/{cell}/{len(made)}")
            fault = chance.choice(FAULTS) if chance.random() < server.share else "none"
            made.append(fault)
            server.tokens += 1
            token = f"token-{server.tokens}-{chance.getrandbits(32):08x}"
        said, marker = loopback.stream(kind, ["The word of this cell ", "is ", token])
        try:
            self.fail(fault, kind, chance, said, marker)
        except (BrokenPipeError, ConnectionResetError):
            return
        if fault in ("none", "slow"):
            with server.lock:
                server.whole.setdefault(cell, set()).add(token)

    def fail(self, fault, kind, chance, said, marker):
        """Answers as the fault wants it; `none` is the answer."""
        def error(status, name, message, headers=()):
            self.reply(status, {"type": "error", "error": {"type": name, "code": name, "message": message}}, headers)

        half = said[: len(said) - 1]
        if fault == "429 after":
            error(429, "rate_limit_error" if kind == "messages" else "rate_limit_exceeded", "Too many requests.", [("retry-after", "0.2")])
        elif fault == "429 bare":
            error(429, "rate_limit_error" if kind == "messages" else "rate_limit_exceeded", "Too many requests.")
        elif fault == "529":
            error(529, "overloaded_error", "Overloaded")
        elif fault == "500":
            error(500, "api_error" if kind == "messages" else "server_error", "Internal server error")
        elif fault == "silent":
            if chance.random() < 0.5:
                self.begin()
            self.silence()
        elif fault == "garbage":
            text = chance.choice(GARBAGE)
            self.send_response(200)
            self.send_header("content-type", chance.choice(["text/event-stream", "application/json", "text/html"]))
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        elif fault == "reset" and chance.random() < 0.5:
            self.reset()
        else:
            self.begin()
            if fault in ("none", "slow"):
                for piece in said + marker:
                    if fault == "slow":
                        for begin in range(0, len(piece), 40):
                            self.send(piece[begin : begin + 40])
                            self.server.over.wait(0.02)
                    else:
                        self.send(piece)
                self.end()
                return
            # Sometimes all of the answer is there, and only the marker is not.
            for piece in said if chance.random() < 0.3 else half:
                self.send(piece)
            if fault == "stall":
                self.silence()
            elif fault == "reset":
                # What was sent should be there before the reset, which may overtake it.
                self.server.over.wait(0.05)
                self.reset()
            elif chance.random() < 0.5:
                self.end()
            else:
                self.hang_up()


class Cell:
    """What one cell has come to."""

    def __init__(self, number, code, seconds, run):
        self.number, self.code, self.seconds = number, code, seconds
        try:
            self.result = json.loads((run / "result.json").read_text())
        except (OSError, ValueError):
            self.result = {}
        self.events = loopback.journal(run)
        self.failures = [event for event in self.events if event["kind"] == "attempt.failed"]
        self.attempts = sum(event["kind"] == "attempt.started" for event in self.events)

    def classes(self):
        return [failure["class"] for failure in self.failures]


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def counts(name, found):
    print(f"  {name:<28}" + "  ".join(f"{key} {count}" for key, count in found.most_common()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provost", default=str(HERE.parent / "target" / "release" / "provost"))
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--share", type=float, default=0.3, help="of the requests that meet a fault")
    parser.add_argument("--jobs", type=int, default=4, help="cells at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--apis", default="openai,openai-responses,anthropic", help="one after the other, cell by cell")
    parser.add_argument("--accounts", type=int, default=1, help="keys that the cells are spread over")
    parser.add_argument("--deadline", type=float, default=2, help="first_event and stall, seconds")
    parser.add_argument("--most", type=float, default=1.6, help="requests for each cell, at most")
    parser.add_argument("--patience", type=float, default=120, help="seconds after which a cell counts as hanging")
    loopback.options(parser)
    given = parser.parse_args()
    provost, verdict = os.path.abspath(given.provost), loopback.Verdict()
    server = loopback.Server(Handler)
    server.made, server.whole, server.tokens = {}, {}, 0
    server.seed, server.share = given.seed, given.share
    server.start()
    print(f"{given.cells} cells, {given.jobs} at once, {given.share:.0%} of the requests meet a fault, seed {given.seed}")
    print(loopback.busy())
    with loopback.Place("chaos", given) as place:
        apis = given.apis.split(",")
        deadlines = f'[round]\nfirst_event = "{given.deadline:g}s"\nstall = "{given.deadline:g}s"\n'
        profiles = [place.profile(f"chaos-{api}", server.url(), api, deadlines) for api in apis]

        def play(number):
            run = place.path / f"run-{number}"
            environment = place.environment(BENCH_KEY=f"dummy-{number % given.accounts}")
            profile = profiles[number % len(profiles)]
            begin = time.monotonic()
            child = subprocess.Popen([provost, "run", "-q", "-p", profile, "--seed", str(number), "--out", run, f"What is the word of cell-{number}?"], cwd=place.path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                code = child.wait(timeout=given.patience)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                code = "hangs"
            return Cell(str(number), code, time.monotonic() - begin, run)

        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            cells = []
            for cell in pool.map(play, range(given.cells)):
                cells.append(cell)
                if sys.stderr.isatty():
                    print(f"\r{len(cells)}", end="", file=sys.stderr)
        wall = time.monotonic() - begin
        server.stop()

        made = [fault for faults in server.made.values() for fault in faults]
        counts("requests by fault", collections.Counter(made))
        counts("failures by class", collections.Counter(name for cell in cells for name in cell.classes()))
        counts("cells by exit code", collections.Counter(str(cell.code) for cell in cells))
        counts("cells lost to", collections.Counter(cell.classes()[-1] if cell.failures else "no failure on record" for cell in cells if cell.code != 0))
        # What each fault was taken for, where the requests of a cell and its attempts are one to one.
        taken = collections.defaultdict(collections.Counter)
        for cell in cells:
            faults = server.made.get(cell.number, [])
            if len(faults) == cell.attempts:
                failed = {failure["attempt"]: failure["class"] for failure in cell.failures}
                for attempt, fault in enumerate(faults, 1):
                    taken[fault][failed.get(attempt, "answered")] += 1
        for fault in ["none", *FAULTS]:
            counts(f"  {fault} was taken for", taken[fault])
        times = sorted(cell.seconds for cell in cells)
        print(f"  seconds of a cell           median {statistics.median(times):.2f}  p90 {percentile(times, 0.9):.2f}  p99 {percentile(times, 0.99):.2f}  max {times[-1]:.2f}; all of them {wall:.1f}")

        hanging = [cell.number for cell in cells if cell.code == "hangs"]
        false, strange, unknown, good = [], [], [], 0
        for cell in cells:
            found = re.search(r"token-\d+-[0-9a-f]{8}", cell.result.get("output") or "")
            marked = bool(found) and found.group() in server.whole.get(cell.number, ())
            if cell.code == 0:
                good += marked
                if not marked:
                    false.append(cell.number)
            elif cell.code == "hangs":
                pass
            elif cell.code not in ENDINGS or not cell.failures or cell.result.get("exit_code") != cell.code:
                strange.append(f"{cell.number} (exit {cell.code})")
            elif cell.failures[-1]["class"] == "unknown":
                unknown.append(cell.number)
        ratio = len(made) / len(cells)

        def some(numbers):
            return f"{len(numbers)}" + (f": cells {', '.join(numbers[:5])}" if numbers else "")

        verdict(not hanging, f"no cell hangs for {given.patience:g} s", some(hanging))
        verdict(not false, "no cell ends well without its answer's marker", some(false))
        verdict(not strange, "every other cell ends with a failure on record", some(strange))
        verdict(not unknown, "and that failure has a class", some(unknown))
        verdict(ratio <= given.most, f"at most {given.most:g} requests for each cell", f"{ratio:.3f}")
        share = sum(fault != "none" for fault in made) / max(1, len(made))
        print(f"  {good} of {len(cells)} cells have their answer ({good / len(cells):.1%}); {share:.1%} of {len(made)} requests met a fault", flush=True)
    sys.exit(verdict.code)


if __name__ == "__main__":
    main()
