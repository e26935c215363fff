#!/usr/bin/env python3
"""What `provost certify` makes of a server that fails: kept answers, missing ones, requests, and who came back too early.
Python 3, standard library only.

    cargo build --release
    python3 benches/eval_faults.py [--provost PATH] [--only ROW,...] [--cases N] [--retries N]

Each row is a suite of 200 trivial cases, 32 at a time, against a loopback server with one fault, and a gate that asks for a
rate above one half. The state directory is a fresh one in each row, since accounts are shared by all runs of a user.

  kept      cases with an answer            missing   those without, by reason and class
  requests  all that reached the server     most      of one case
  early     requests of a case that came before the server's `Retry-After` to it had run out
  wrong     answers that are on record though the server never finished them
  flight    requests at once                          span, wall  from the first request to the last; of the whole call

Rows with a signal count their wall time from the signal on. A row that misses its bar says why, and the exit code is 1 then. Rows that hang set `round.first_event` (and `round.stall`)
to 3 s, as a user would for a fast model; the default of 90 s bounds them as well, but makes a row last ten minutes.
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

ALL, SOME, FEW = "all", "some", "few"


class Bucket:
    """A token bucket: so many a second, so many at once."""

    def __init__(self, rate, burst):
        self.rate, self.burst, self.left, self.at = rate, burst, float(burst), None

    def take(self, now):
        if self.at is not None:
            self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Row:
    def __init__(self, name, what, fault, lost=None, quick=False, signal=None):
        # `lost`: which cases can have no answer. `quick`: with short deadlines. `signal`: sent while those hang.
        self.name, self.what, self.fault, self.lost, self.quick = name, what, fault, lost, quick
        self.signal = signal


def tenth(case):
    """19 of 200."""
    return case % 10 == 5 and case > 10


def twentieth(case):
    """10 of 200."""
    return case % 20 == 7


def fifth(case):
    return case % 5 == 2


# A fault is asked with the case, how often it was asked before, the seconds since the first request, and the state of the row.
# It says what the server does: ("ok",), ("status", code, retry_after), ("hang",), ("cut",), ("clean",), ("no-done",).
def bucket(rate, burst, after):
    def fault(case, tries, age, state):
        tokens = state.setdefault("bucket", Bucket(rate, burst))
        return ("ok",) if tokens.take(time.monotonic()) else ("status", 429, after)
    return fault


def first(times, what):
    return lambda case, tries, age, state: what if tries < times else ("ok",)


def outage(seconds, what):
    return lambda case, tries, age, state: what if age < seconds else ("ok",)


def of(which, what, times=None):
    return lambda case, tries, age, state: what if which(case) and (times is None or tries < times) else ("ok",)


ROWS = [
    Row("rps50", "50 rps bucket, Retry-After 1", bucket(50, 20, 1)),
    Row("rps50-mute", "50 rps bucket, no Retry-After", bucket(50, 20, None)),
    Row("rps10", "10 rps bucket, Retry-After 2", bucket(10, 5, 2)),
    Row("429-twice", "every case 429 twice, Retry-After 2", first(2, ("status", 429, 2))),
    Row("429-outage10", "429 outage of 10 s, Retry-After 5", outage(10, ("status", 429, 5))),
    Row("429-outage30", "429 outage of 30 s, Retry-After 10", outage(30, ("status", 429, 10))),
    Row("500-once", "one 500 per case", first(1, ("status", 500, None))),
    Row("503-once", "one 503 per case", first(1, ("status", 503, None))),
    Row("529-once", "one 529 per case", first(1, ("status", 529, None))),
    Row("529-outage10", "529 outage of 10 s", outage(10, ("status", 529, None))),
    Row("529-always", "529 always for 10 %", of(tenth, ("status", 529, None)), lost=tenth),
    Row("400-always", "400 always for 10 %", of(tenth, ("status", 400, None)), lost=tenth),
    Row("hang-always", "5 % hang for ever", of(twentieth, ("hang",)), lost=twentieth, quick=True),
    Row("hang-once", "5 % hang once", of(twentieth, ("hang",), 1), quick=True),
    Row("cut-once", "body cut, 20 % once", of(fifth, ("cut",), 1)),
    Row("cut-always", "body cut, 10 % always", of(tenth, ("cut",)), lost=tenth),
    Row("clean-once", "SSE ends without finish_reason and [DONE], 20 % once", of(fifth, ("clean",), 1)),
    Row("clean-always", "the same, 10 % always", of(tenth, ("clean",)), lost=tenth),
    Row("no-done", "SSE has finish_reason, no [DONE]", lambda *_: ("no-done",)),
    Row("sigterm", "SIGTERM while 5 % hang", of(twentieth, ("hang",)), lost=twentieth, signal=signal.SIGTERM),
    Row("sigint", "SIGINT while 5 % hang", of(twentieth, ("hang",)), lost=twentieth, signal=signal.SIGINT),
]


class Server:
    """Chat completions over HTTP/1.1, kept alive."""

    def __init__(self, row):
        self.row, self.state = row, {}
        self.tries, self.until = collections.Counter(), {}
        self.requests = self.early = self.flight = self.most_flight = 0
        self.begun = self.last = None

    async def start(self):
        self.server = await asyncio.start_server(self.client, "127.0.0.1", 0, backlog=256)
        return self.server.sockets[0].getsockname()[1]

    async def client(self, reader, writer):
        try:
            while await self.one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
        body = json.loads(await reader.readexactly(length))
        said = body["messages"][-1]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        case = int(said.rsplit(" ", 1)[1])
        now = time.monotonic()
        self.begun = self.begun or now
        self.last = now
        self.requests += 1
        if now < self.until.get(case, 0):
            self.early += 1
        what, *more = self.row.fault(case, self.tries[case], now - self.begun, self.state)
        self.tries[case] += 1
        self.flight += 1
        self.most_flight = max(self.most_flight, self.flight)
        try:
            return await self.answer(reader, writer, body, case, what, *more)
        finally:
            self.flight -= 1

    async def answer(self, reader, writer, body, case, what, code=None, after=None):
        if what == "hang":
            await reader.read(1)
            return False
        if what == "status":
            text = json.dumps({"error": {"message": f"scripted {code}", "type": "scripted"}}).encode()
            extra = f"retry-after: {after}\r\n" if after is not None else ""
            if after is not None:
                self.until[case] = time.monotonic() + after
            writer.write(f"HTTP/1.1 {code} Scripted\r\ncontent-type: application/json\r\n{extra}content-length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()
            return True
        await asyncio.sleep(0.02)
        answer = f"answer {case}"
        if not body.get("stream"):
            message = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
            text = json.dumps(message).encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n".encode()
            writer.write(head + (text[:40] if what in ("cut", "clean") else text))
            await writer.drain()
            return what not in ("cut", "clean")

        def chunk(delta, reason=None, usage=None):
            event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            return f"data: {json.dumps(event | ({'usage': usage} if usage else {}))}\n\n"

        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        # What is whole but for its end is as good as an answer, unless the end is missed.
        frames = [chunk({"role": "assistant", "content": answer[:4]}), chunk({"content": answer[4:]})]
        if what in ("ok", "no-done"):
            frames.append(chunk({}, "stop", usage))
        if what == "ok":
            frames.append("data: [DONE]\n\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for frame in frames:
            writer.write(f"{len(frame.encode()):x}\r\n{frame}\r\n".encode())
        if what == "cut":
            await writer.drain()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


PROFILE = """schema = 1
name = "mock"
[agent]
harness = "chat"
endpoint = "mock"
model = "mock/m"
tools = []
[prompt]
system = "Answer."
[endpoints.mock]
api = "openai"
base_url = "http://127.0.0.1:{port}/v1"
max_concurrency = 32
{more}
"""

SUITE = """schema = 1
name = "faults"
[cases]
file = "cases.jsonl"
[trials]
retries = {retries}
[[score]]
name = "said"
kind = "contains"
[gate]
score = "said"
mode = "threshold"
min = 0.5
"""


async def play(row, args, directory):
    server = Server(row)
    port = await server.start()
    more = '[round]\nfirst_event = "3s"\nstall = "3s"' if row.quick else ""
    (directory / "profile.toml").write_text(PROFILE.format(port=port, more=more))
    (directory / "suite.toml").write_text(SUITE.format(retries=args.retries))
    cases = [{"id": f"case-{case}", "input": f"say {case}", "expected": f"answer {case}"} for case in range(args.cases)]
    (directory / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "XDG_STATE_HOME": str(directory / "state")}
    command = [str(args.provost), "certify", "-p", "profile.toml", "-S", "suite.toml", "--out", "run"]
    started = time.monotonic()
    with open(directory / "said", "wb") as said:
        child = await asyncio.create_subprocess_exec(*command, cwd=directory, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            if row.signal:
                while child.returncode is None and time.monotonic() - started < args.limit and server.requests < args.cases:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.5)
                started = time.monotonic()
                child.send_signal(row.signal)
            code = await asyncio.wait_for(child.wait(), args.limit)
        except asyncio.TimeoutError:
            child.kill()
            await child.wait()
            code = "limit"
    wall = time.monotonic() - started
    server.server.close()
    return server, code, wall


def read(run):
    """The cells' ends, the verdict and its reasons."""
    ended, verdict, reasons = {}, None, []
    journal = run / "journal.jsonl"
    if journal.exists():
        for line in journal.read_text().splitlines():
            event = json.loads(line)
            if event.get("kind") == "cell.ended":
                ended[event["case"]] = event
            elif event.get("kind") == "verdict.reached":
                verdict, reasons = event["verdict"], event["certified"].get("reasons", [])
    return ended, verdict, reasons


def judge(row, args, run, server, code, ended, verdict):
    """What misses its bar."""
    lost = {case for case in range(args.cases) if row.lost and row.lost(case)}
    kept = {int(name.split("-")[1]) for name, cell in ended.items() if not cell.get("missing")}
    wrong = kept & lost
    problems = []
    if kept != set(range(args.cases)) - lost:
        problems.append(f"kept {len(kept)} of {args.cases - len(lost)}")
    if len(ended) != args.cases and not row.signal:
        problems.append(f"{args.cases - len(ended)} cells have no end")
    if server.early:
        problems.append(f"{server.early} early")
    most = max(server.tries.values(), default=0)
    if most > 1 + args.retries:
        problems.append(f"{most} requests of one case")
    if wrong:
        problems.append(f"{len(wrong)} answers that never ended")
    if server.most_flight > 32:
        problems.append(f"{server.most_flight} in flight")
    wanted = 128 + row.signal if row.signal else 3 if lost else 0
    if code != wanted:
        problems.append(f"exit {code}, not {wanted}")
    for name in ("result.json", "report.md", "report.xml"):
        if not (run / name).exists():
            problems.append(f"no {name}")
    if verdict != (None if row.signal else "inconclusive" if lost else "pass"):
        problems.append(f"verdict {verdict}")
    return kept, wrong, most, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--provost", type=pathlib.Path, default=here / "target/release/provost")
    parser.add_argument("--only", help="rows, by name, with commas: " + ", ".join(row.name for row in ROWS))
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--retries", type=int, default=5, help="`trials.retries`; its default")
    parser.add_argument("--limit", type=float, default=300, help="seconds that a row may take")
    parser.add_argument("--keep", type=pathlib.Path, help="a directory in which each row's files stay")
    args = parser.parse_args()
    args.provost = args.provost.resolve()
    names = args.only.split(",") if args.only else [row.name for row in ROWS]
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    print(f"{'row':<14}{'kept':>9}{'requests':>9}{'most':>5}{'early':>6}{'wrong':>6}{'flight':>7}{'span s':>8}{'wall s':>8}{'exit':>6}  verdict, missing")
    # A background job of a shell ignores it, and so would what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    missed = 0
    for row in (row for row in ROWS if row.name in names):
        with tempfile.TemporaryDirectory() as temporary:
            directory = pathlib.Path(temporary)
            if args.keep:
                directory = args.keep.resolve() / row.name
                directory.mkdir(parents=True)
            server, code, wall = asyncio.run(play(row, args, directory))
            ended, verdict, reasons = read(directory / "run")
            kept, wrong, most, problems = judge(row, args, directory / "run", server, code, ended, verdict)
            missing = collections.Counter(f"{cell['missing']['reason']}/{cell['missing'].get('class')}" for cell in ended.values() if cell.get("missing"))
            tale = f"{verdict} {','.join(reasons)} " + " ".join(f"{count} {why}" for why, count in sorted(missing.items()))
            print(f"{row.name:<14}{f'{len(kept)}/{args.cases}':>9}{server.requests:>9}{most:>5}{server.early:>6}{len(wrong):>6}{server.most_flight:>7}{(server.last or 0) - (server.begun or 0):>8.1f}{wall:>8.1f}{code:>6}  {tale}", flush=True)
            if problems:
                missed += 1
                print(f"{'':<14}MISSED: {'; '.join(problems)}", flush=True)
                if not ended:
                    print((directory / "said").read_text()[-800:])
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
