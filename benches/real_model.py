#!/usr/bin/env python3
"""A real model, fifty cases, prompts that differ: does the verdict of `provost certify` agree with one that is computed here
from the CSV of the cells? Python 3, standard library only; the model's server needs an interpreter that has it.

    .ci/install-real target/real && . target/real/env
    cargo build
    python3 benches/real_model.py [--provost PATH] [--python PATH]

The server of tests/fixtures/serve_model.py runs a model of 135 million parameters on one core. Each pair of
prompts is certified in both directions, for superiority, with one trial. What is computed here knows only the CSV: per
case a pass or not on both arms, then the exact one-sided test of McNemar on the pairs that differ (the binomial
distribution, counted), and the mean lift. A line says what both found; the exit code is 1 where they differ.
"""

import argparse
import collections
import csv
import json
import math
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import loopback  # noqa: E402

CAPITALS = """France Paris|Germany Berlin|Italy Rome|Spain Madrid|Portugal Lisbon|Poland Warsaw|Austria Vienna|Hungary Budapest|Greece Athens|Norway Oslo
Sweden Stockholm|Finland Helsinki|Denmark Copenhagen|Ireland Dublin|Belgium Brussels|Netherlands Amsterdam|Switzerland Bern|Russia Moscow|Ukraine Kyiv|Turkey Ankara
Egypt Cairo|Kenya Nairobi|Nigeria Abuja|Ghana Accra|Morocco Rabat|Algeria Algiers|Tunisia Tunis|Ethiopia Addis|Senegal Dakar|Libya Tripoli
China Beijing|Japan Tokyo|India Delhi|Iran Tehran|Iraq Baghdad|Thailand Bangkok|Vietnam Hanoi|Indonesia Jakarta|Malaysia Kuala|Philippines Manila
Canada Ottawa|Mexico Mexico|Cuba Havana|Brazil Brasília|Argentina Buenos|Chile Santiago|Peru Lima|Colombia Bogotá|Ecuador Quito|Australia Canberra"""

PROMPTS = {
    "plain": "Answer in one short sentence. {{ input }}",
    "careful": "You are a teacher of geography. {{ input }} Name the city, then stop.",
    "riddle": "Tell me a riddle about {{ country }} without naming any city.",
}
PAIRS = [("plain", "riddle"), ("careful", "plain")]

MORE = """max_concurrency = 1
[model]
temperature = 0.0
max_output_tokens = 160
[prompt]
template = "{template}"
"""

SUITE = """schema = 1
name = "capitals"
[cases]
file = "cases.csv"
[[score]]
name = "named"
kind = "contains"
[gate]
score = "named"
mode = "superiority"
alpha = 0.05
"""


def judged(rows, candidate, baseline, alpha=0.05):
    """The verdict from the rows of the CSV, and what it rests on."""
    of = collections.defaultdict(dict)
    for row in rows:
        if row["missing"]:
            sys.exit(f"a cell is missing: {row}")
        of[row["arm"]][row["case"]] = float(row["score.named"])
    pairs = [(of[candidate][case], of[baseline][case]) for case in of[candidate]]
    gains, losses = sum(c > b for c, b in pairs), sum(c < b for c, b in pairs)
    differ = gains + losses

    def at_least(count):
        return sum(math.comb(differ, k) for k in range(count, differ + 1)) / 2**differ

    better, worse = at_least(gains), at_least(losses)
    verdict = "pass" if better <= alpha else "fail" if worse <= alpha else "inconclusive"
    lift = sum(c - b for c, b in pairs) / len(pairs)
    return verdict, {"pairs": len(pairs), "gains": gains, "losses": losses, "p": better, "lift": lift}


def certify(given, place, url, candidate, baseline):
    for name in (candidate, baseline):
        place.profile(name, url, more=MORE.format(template=PROMPTS[name]))
    (place.path / "suite.toml").write_text(SUITE)
    with open(place.path / "cases.csv", "w") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "input", "expected", "country"])
        for pair in CAPITALS.replace("\n", "|").split("|"):
            country, capital = pair.split(" ")
            rows.writerow([country.lower(), f"What is the capital of {country}?", capital, country])
    out = f"{candidate}-{baseline}"
    command = [given.provost, "certify", "-p", f"{candidate}.toml", "--baseline", f"{baseline}.toml", "-S", "suite.toml", "--out", out, "--csv", f"{out}.csv", "--html", f"{out}.html"]
    done = subprocess.run([str(word) for word in command], cwd=place.path, env=place.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not (place.path / out / "certificate.json").exists():
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr}")
    with open(place.path / f"{out}.csv") as file:
        rows = list(csv.DictReader(file))
    reached = json.loads((place.path / out / "certificate.json").read_text())
    return done, rows, reached


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provost", default=str(HERE.parent / "target" / "debug" / "provost"))
    parser.add_argument("--python", default=os.environ.get("PROVOST_TEST_PYTHON"), help="the interpreter that has the model")
    parser.add_argument("--show", action="store_true", help="also print what `provost certify` says")
    loopback.options(parser)
    given = parser.parse_args()
    if not given.python:
        parser.error("no interpreter with the model: `. target/real/env`, or --python")
    given.provost = os.path.abspath(given.provost)
    with loopback.Server(loopback.Handler) as free:
        port = free.server_port
    server = subprocess.Popen([given.python, HERE.parent / "tests/fixtures/serve_model.py", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    verdict = loopback.Verdict()
    try:
        while not (line := server.stdout.readline()).startswith("ready"):
            if not line:
                sys.exit("the server ended before it served")
        with loopback.Place("real-model", given) as place:
            for pair in PAIRS:
                for candidate, baseline in (pair, pair[::-1]):
                    done, rows, reached = certify(given, place, f"http://127.0.0.1:{port}/v1", candidate, baseline)
                    if given.show:
                        print(done.stdout)
                    ours, figures = judged(rows, candidate, baseline)
                    body = reached["body"]
                    claim = body["certified"]["candidates"][0]["claims"][0]
                    code = {"pass": 0, "fail": 1, "inconclusive": 3}[ours]
                    agrees = body["verdict"] == ours and done.returncode == code and math.isclose(claim["effect"]["mean"], figures["lift"], abs_tol=1e-12) and math.isclose(claim["p"], figures["p"], rel_tol=1e-9)
                    theirs = f"provost says {body['verdict']}, exit {done.returncode}, lift {claim['effect']['mean']:+.3f}, p {claim['p']:.4g}"
                    here = f"here {ours}, lift {figures['lift']:+.3f}, p {figures['p']:.4g} ({figures['gains']} gained, {figures['losses']} lost of {figures['pairs']})"
                    verdict(agrees, f"{candidate} against {baseline}", f"{theirs}; {here}")
    finally:
        server.kill()
        server.wait()
    sys.exit(verdict.code)


if __name__ == "__main__":
    main()
