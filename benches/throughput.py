#!/usr/bin/env python3
"""What a thousand trivial cases cost, 64 at a time: `provost certify` beside promptfoo, inspect-ai and a bare client.
Python 3, standard library only.

    cargo build --release
    python3 benches/throughput.py [--provost PATH] [--rounds N] [--latency MS,...]
    python3 benches/throughput.py --beside promptfoo,inspect-ai --peers DIR [--install]
    python3 benches/throughput.py --cells 100000

All clients ask the same loopback server, which is a process of its own and answers after 0 or 50 ms; what it consumes is
in no figure. They take turns, so that each meets the same machine. Cases are the same strings, the score is `contains`,
caches are off. `provost` runs with `max_concurrency = 64` stated for the endpoint and `tools = []`, and writes all that it
always writes: journal, prompts, answers, result, certificate and the reports.

  wall, CPU   of the whole call with its start, seconds; CPU of it and its children     RSS   the largest of its processes
  kept        cases with an answer that scores            KB/case   journal, prompts and answers on disk (provost)

`--cells` runs a suite of so many cases once, looks at the memory on the way, and calls it again when all is done. Then the
journal is cut where 100 cells were left, as after a kill, and what is measured is the time from the call to its first request.
Peers: see benches/fleet.py, whose `--peers` directory this takes.
"""

import argparse
import asyncio
import json
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import fleet  # noqa: E402
import loopback  # noqa: E402

ASK = "Please answer question {} in one line."


def named(number):
    return f"item-{number:06}"


# The server


def chunk(delta, reason=None, usage=None):
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    return f"data: {json.dumps(event | ({'usage': usage} if usage else {}))}\n\n"


USAGE = {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18}
END = chunk({}, "stop", USAGE) + "data: [DONE]\n\n"


class Connection(asyncio.Protocol):
    """Chat completions over HTTP/1.1, kept alive; says back the question."""

    latency = 0.0

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while (at := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:at].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
            if len(self.buffer) < at + 4 + length:
                return
            body, self.buffer = self.buffer[at + 4 : at + 4 + length], self.buffer[at + 4 + length :]
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.answer, body)
            else:
                self.answer(body)

    def answer(self, body):
        asked = json.loads(body) if body else {"messages": [{"content": ""}]}
        said = asked["messages"][-1]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        text = "The answer to " + next((word for word in said.split() if word.startswith("item-")), "none") + "."
        if asked.get("stream"):
            kind, out = b"text/event-stream", (chunk({"role": "assistant", "content": text}) + END).encode()
        else:
            message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            kind, out = b"application/json", json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [message], "usage": USAGE}).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (kind, len(out)) + out)


async def serve(latency):
    Connection.latency = latency / 1000
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Server:
    def __init__(self, latency):
        self.child = subprocess.Popen([sys.executable, __file__, "--serve", str(latency)], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.child.stdout.readline())}/v1"

    def stop(self):
        self.child.kill()
        self.child.wait()


# The clients


class Took:
    """What a call consumed. It is started by a small process of its own: the kernel counts the memory of who starts a
    program as that of the program, and this one grows with what it reads."""

    def __init__(self, command, environment, cwd, watch=None):
        asked = {"command": [str(word) for word in command], "environment": environment, "cwd": str(cwd), "watch": watch}
        done = subprocess.run([sys.executable, __file__, "--start"], input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
        self.__dict__.update(json.loads(done.stdout))


def start():
    asked = json.load(sys.stdin)
    begun, looks, watch = time.monotonic(), [], asked["watch"]
    with open(pathlib.Path(asked["cwd"]) / "said", "wb") as said:
        child = subprocess.Popen(asked["command"], env=asked["environment"], cwd=asked["cwd"], stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        # Looked at without being reaped: its usage is wanted.
        while watch and not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            looks.append((time.monotonic() - begun, resident(child.pid)))
            time.sleep(watch)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps({"code": child.returncode, "wall": time.monotonic() - begun, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024, "looks": looks}))


def resident(pid):
    try:
        return int((pathlib.Path("/proc") / str(pid) / "statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return 0.0


SUITE = """schema = 1
name = "throughput"
[cases]
file = "cases.jsonl"
[[score]]
name = "said"
kind = "contains"
[gate]
score = "said"
mode = "threshold"
min = 0.5
"""


def provost(given, place, url, cases):
    place.profile("profile", url, more="max_concurrency = 64\n")
    (place.path / "suite.toml").write_text(SUITE)
    with open(place.path / "cases.jsonl", "w") as file:
        for number in range(cases):
            file.write(json.dumps({"id": named(number), "input": ASK.format(named(number)), "expected": named(number)}) + "\n")
    return [given.provost, "certify", "-p", "profile.toml", "-S", "suite.toml", "--out", "run"], place.environment()


def provost_kept(place):
    ended = (json.loads(line) for line in open(place.path / "run/journal.jsonl") if '"cell.ended"' in line)
    kept = sum(1 for cell in ended if not cell.get("missing") and cell["scores"]["said"]["value"] == 1)
    files = [place.path / "run" / name for name in ("journal.jsonl", "prompts.jsonl", "outputs.jsonl")]
    return kept, sum(file.stat().st_size for file in files)


def promptfoo(more):
    def command(given, place, url, cases, peer):
        entry, environment = peer
        config = {
            "prompts": [ASK.format("{{item}}")],
            "providers": [{"id": "openai:chat:m", "config": {"apiBaseUrl": url, "apiKey": "dummy"}}],
            "tests": [{"vars": {"item": named(number)}, "assert": [{"type": "contains", "value": named(number)}]} for number in range(cases)],
            "sharing": False,
        }
        (place.path / "pf.json").write_text(json.dumps(config))
        out = "pf-out.jsonl" if more else "pf-out.json"
        words = [entry, "eval", "-c", "pf.json", "-j", "64", "--no-cache", "--no-table", "--no-progress-bar", *more, "-o", out]
        return words, environment | {"PROMPTFOO_CONFIG_DIR": str(place.path / "state")}

    def kept(place):
        if more:
            return sum(bool(json.loads(line).get("success")) for line in open(place.path / "pf-out.jsonl"))
        return json.loads((place.path / "pf-out.json").read_text())["results"]["stats"]["successes"]

    return fleet.promptfoo, command, kept


INSPECT_TASK = '''
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


@task
def throughput():
    names = [f"item-{number:06}" for number in range(COUNT)]
    samples = [Sample(id=name, input="ASK".format(name), target=name) for name in names]
    return Task(dataset=samples, solver=generate(), scorer=includes())
'''


def inspect(more):
    def command(_, place, url, cases, peer):
        entry, environment = peer
        (place.path / "task.py").write_text(INSPECT_TASK.replace("COUNT", str(cases)).replace("ASK", ASK))
        words = [entry, "eval", "task.py", "--model", "openai-api/here/m", "--model-base-url", url, "--max-connections", "64", "--max-samples", "64", "--display", "none", *more, "--log-format", "json", "--log-dir", "logs"]
        return words, environment | {"XDG_DATA_HOME": str(place.path / "data")}

    def kept(place):
        log = json.loads(next((place.path / "logs").glob("*.json")).read_text())
        return sum(score.get("value") == "C" for sample in log["samples"] for score in sample["scores"].values())

    return fleet.inspect, command, kept


PEERS = {
    "promptfoo": {"promptfoo": promptfoo([]), "promptfoo --no-write": promptfoo(["--no-write"])},
    "inspect-ai": {"inspect-ai": inspect([]), "inspect-ai --no-log-realtime": inspect(["--no-log-realtime"])},
}


async def bare(url, cases):
    """The floor: 64 connections that send the bytes and read the answer."""
    port, numbers = int(url.split(":")[2].split("/")[0]), iter(range(cases))

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": ASK.format(named(number))}]}).encode()
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.close()

    begun = time.monotonic()
    await asyncio.gather(*(one() for _ in range(64)))
    return time.monotonic() - begun


def show(name, rows, cases, bytes_of=None):
    """Medians, and the least of each figure in brackets: on a shared machine that says most."""
    def figure(of, digits):
        values = [of(row) for row in rows]
        return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}]"
    kept = f"{min(row.kept for row in rows)}/{cases}"
    size = f"{statistics.median(bytes_of) / cases / 1000:.2f}" if bytes_of else ""
    print(f"  {name:<30}{figure(lambda row: row.wall, 2):>16}{figure(lambda row: row.cpu, 2):>16}{figure(lambda row: row.rss, 0):>13}{kept:>12}{size:>9}", flush=True)


def side_by_side(given):
    clients = {}
    for name in filter(None, given.beside.split(",")):
        for label, (find, command, kept) in PEERS[name].items():
            with loopback.Place("throughput", given) as place:
                peer, said = find(given, place)
            if peer is None:
                print(f"  {label:<30}not measured: {said}")
                continue
            clients[f"{label.replace(name, f'{name} {said}')}"] = (command, kept, find)
    for latency in given.latency:
        server = Server(latency)
        rows, sizes, floor = {"provost": []} | {name: [] for name in clients}, [], []
        for number in range(given.rounds + 1):
            floor.append(asyncio.run(bare(server.url, given.cases)))
            with loopback.Place("throughput", given) as place:
                command, environment = provost(given, place, server.url, given.cases)
                took = Took(command, environment, place.path)
                if took.code:
                    sys.exit(f"exit {took.code}: {(place.path / 'said').read_text()[-600:]}")
                took.kept, size = provost_kept(place)
                if number:
                    rows["provost"].append(took)
                    sizes.append(size)
            for name, (command, kept, find) in clients.items():
                # The first round of a peer is its warm-up too; two of them are enough of half a minute each.
                if number > given.peer_rounds:
                    continue
                with loopback.Place("throughput", given) as place:
                    peer, _ = find(given, place)
                    words, environment = command(given, place, server.url, given.cases, peer)
                    took = Took(words, environment, place.path)
                    try:
                        took.kept = kept(place)
                    except (OSError, ValueError, KeyError, StopIteration):
                        sys.exit(f"{name}, exit {took.code}: {(place.path / 'said').read_text()[-600:]}")
                    if number:
                        rows[name].append(took)
        server.stop()
        print(f"\n{given.cases} cases, 64 at once, the server answers after {latency:g} ms; median [least] of {given.rounds} (peers {given.peer_rounds}) calls; {loopback.busy()}")
        print(f"  {'':<30}{'wall s':>16}{'CPU s':>16}{'RSS MB':>13}{'kept':>12}{'KB/case':>9}")
        print(f"  {'bare client':<30}{f'{statistics.median(floor):.2f} [{min(floor):.2f}]':>16}")
        for name, took in rows.items():
            if took:
                show(name, took, given.cases, sizes if name == "provost" else None)


def large(given):
    server = Server(0)
    with loopback.Place("throughput", given) as place:
        command, environment = provost(given, place, server.url, given.cells)
        took = Took(command, environment, place.path, watch=0.25)
        took.kept, size = provost_kept(place)
        print(f"{given.cells} cells: exit {took.code}, wall {took.wall:.1f} s, CPU {took.cpu:.1f} s ({took.cpu / given.cells * 1e6:.0f} µs a cell), kept {took.kept}, {size / given.cells / 1000:.2f} KB a case; {loopback.busy()}")
        tenths = [took.looks[len(took.looks) * part // 10][1] for part in range(10)] + [took.rss]
        print("  memory along the way, MB: " + " ".join(f"{look:.0f}" for look in tenths[:-1]) + f", most {tenths[-1]:.0f}")
        again = [Took(command, environment, place.path) for _ in range(3)]
        print(f"  called again when all is there: exit {again[0].code}, wall {min(took.wall for took in again):.2f} s, CPU {min(took.cpu for took in again):.2f} s, {again[0].rss:.0f} MB")
        for line in (place.path / "said").read_text().splitlines()[-4:]:
            print(f"  | {line}")
        server.stop()
        took = [first_request(command, environment, place, server.url, given.cells) for _ in range(5)]
        print(f"  gone on with when 100 cells were left: first request after {statistics.median(took):.2f} [{min(took):.2f}] s")


def first_request(command, environment, place, url, cells, left=100):
    """Cuts the last cells off, calls again, and waits for somebody to ask."""
    journal = place.path / "run/journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    ends = [at for at, line in enumerate(lines) if b'"cell.ended"' in line]
    lines = lines[: ends[cells - left]] if len(ends) > cells - left else lines
    journal.write_bytes(b"".join(lines))
    for gone in ("certificate.json", "index.json"):
        (place.path / "run" / gone).unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", int(url.split(":")[2].split("/")[0]))) as ear:
        ear.settimeout(60)
        begun = time.monotonic()
        child = subprocess.Popen([str(word) for word in command], env=environment, cwd=place.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            asked, _ = ear.accept()
            asked.recv(1)
            return time.monotonic() - begun
        finally:
            child.kill()
            child.wait()


def main():
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(float(sys.argv[2])))
        return
    if sys.argv[1:2] == ["--start"]:
        start()
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provost", default=str(HERE.parent / "target" / "release" / "provost"))
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10, help="calls of provost that count")
    parser.add_argument("--peer-rounds", type=int, default=2, help="calls of each peer that count")
    parser.add_argument("--latency", type=lambda text: [float(word) for word in text.split(",")], default=[0.0, 50.0], help="milliseconds")
    parser.add_argument("--beside", default="", help="also run: promptfoo,inspect-ai")
    parser.add_argument("--peers", default="target/peers", help="where those are installed")
    parser.add_argument("--install", action="store_true", help="install those that are missing there")
    parser.add_argument("--node", help="the Node for promptfoo")
    parser.add_argument("--cells", type=int, help="a suite of so many cases instead")
    loopback.options(parser)
    given = parser.parse_args()
    given.provost, given.peers = os.path.abspath(given.provost), os.path.abspath(given.peers)
    if given.cells:
        large(given)
    else:
        side_by_side(given)


if __name__ == "__main__":
    main()
