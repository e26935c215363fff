"""Long histories for the measuring programs beside this file: a journal of provost, and an event log of
cli-agent-runner 0.3.14, of as many events as are asked for. Python 3, standard library only."""

import datetime
import json
import pathlib
import shutil
import time


class LongRun:
    """A run directory whose journal is one round of a real run, again and again, with its numbers and times moved on.

    It is as a killed provost would leave it: no end, whole rounds only. Its index is the one that provost itself wrote
    when it took the run up, or none.
    """

    def __init__(self, real, path, events):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True)
        self.journal, self.index = self.path / "journal.jsonl", self.path / "index.json"
        shutil.copy(real / "manifest.json", self.path)
        for name in ("prompts", "blobs", "rounds", "control"):
            (self.path / name).mkdir(mode=0o700)
            for file in (real / name).iterdir():
                if name in ("prompts", "blobs"):
                    shutil.copy(file, self.path / name)
        lines = (real / "journal.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in lines[1:]]
        begins = [place for place, event in enumerate(told) if event["kind"] == "budget.reserved"]
        if len(begins) < 3:
            raise SystemExit(f"{real}: of a round that has one before it and one behind it there is none")
        # The second one: it has what the first leaves behind before it, and all that it leaves itself.
        head, cycle = lines[: begins[1] + 1], told[begins[1]:begins[2]]
        shapes = [shape(event) for event in cycle]
        first = min(event["seq"] for event in cycle)
        number = next(event["round"] for event in cycle if event["kind"] == "round.started")
        rounds = max(1, (events - first + 1) // len(cycle))
        base = time.time() - rounds - 3600
        with open(self.journal, "w", encoding="utf-8") as journal:
            journal.write("\n".join(head) + "\n")
            seq = first
            for past in range(rounds):
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(base + past))
                later = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(base + past + 1))
                for text in shapes:
                    journal.write(text.replace("\0", str(seq)).replace("\1", str(number + past)).replace("\2", stamp).replace("\3", later))
                    seq += 1
        self.events, self.rounds = seq - 1, number + rounds - 1
        self.size = self.journal.stat().st_size
        self.kept, self.manifest = None, (self.path / "manifest.json").read_bytes()

    def keep_index(self):
        """From now on the index that lies there is what `reset` gives back."""
        self.kept = self.index.read_bytes() if self.index.exists() else None

    def reset(self, index=True):
        """The run is as it was generated, with the kept index or without."""
        with open(self.journal, "r+b") as journal:
            journal.truncate(self.size)
        (self.path / "result.json").unlink(missing_ok=True)
        (self.path / "manifest.json").write_bytes(self.manifest)
        if index and self.kept:
            self.index.write_bytes(self.kept)
        else:
            self.index.unlink(missing_ok=True)

    def belongs_to(self, real):
        """The manifest says from now on that it was begun with the profile and the task of another real run."""
        path = self.path / "manifest.json"
        ours, theirs = json.loads(path.read_text()), json.loads((real / "manifest.json").read_text())
        ours.update({key: theirs[key] for key in ("profile", "profile_sha256", "task", "task_sha256", "budget", "workspace")})
        path.write_text(json.dumps(ours, indent=2) + "\n")


def shape(event):
    """A line with places for its seq, its round, its second, and the second of a date that it names."""
    event = dict(event, seq=-111111)
    if "round" in event:
        event["round"] = -222222
    event["at"] = "\2" + event["at"][19:]
    if "until" in event:
        event["until"] = "\3" + event["until"][19:]
    line = json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n"
    return line.replace("-111111", "\0").replace("-222222", "\1").replace("\\u0002", "\2").replace("\\u0003", "\3")


def agent_runner_events(directory, count):
    """Writes the event log of this month: rounds of eight events, of the shape and the length that 0.3.14 gives them."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    # A millisecond apart, and nothing in the future.
    begin = now - datetime.timedelta(milliseconds=count + 60000)
    usage = {"agent": "claude", "model": "claude-fake-1", "input_tokens": 5, "output_tokens": 6, "cached_tokens": 17806, "cost_usd": 0.01, "duration_ms": 6657, "models_breakdown": None, "cache_creation_tokens": 12234, "tool_call_count": 2, "phase": "", "success": True}
    kinds = [
        ("round_substrate_before", {"git_head": "a" * 40, "paths_hash": None}),
        ("round_start", {"phase": None, "config_digest": "b" * 64, "config_changed": False}),
        ("agent_spawn", {"timeout_s": 1800}),
        ("agent_exit", {"exit_code": 0, "duration_s": 612.25, "timed_out": False, "exit_cause": "clean"}),
        ("dirty_detected", {"files": ["src/a.rs", "src/b.rs"]}),
        ("round_end", {}),
        ("agent_usage_recorded", usage),
        ("round_substrate_after", {"git_head": "a" * 40, "paths_hash": None}),
    ]
    path = directory / f"events-{now:%Y-%m}.jsonl"
    with open(path, "w", encoding="utf-8") as log:
        for number in range(count):
            kind, facts = kinds[number % len(kinds)]
            at = (begin + datetime.timedelta(milliseconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            log.write(json.dumps({"ts": at, "event": kind, "round_num": number // len(kinds) + 1, **facts}) + "\n")
    return path
