"""docs/speed.md from the JSON of a benchmark run: `python benchmarks/table.py speed.json > docs/speed.md`."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from simulator.units import show

# What other tools took, as this project's survey of 22 November 2026 measured them: each tool at the version named,
# run on a shared machine of two cores, wall time within a factor of two.
PEERS = (
    ("calculon caa4b11", "one evaluation, in process, system file read", "5.6–6.3 ms"),
    ("llm-analysis 0.2.2", "one evaluation, in process", "0.7–1.7 ms"),
    ("mlsysim 0.3.0", "one evaluation, in process", "7–8 ms"),
    ("SimuMax 1.2", "one evaluation, in process: 22B, 1T, 530B with interleaving", "0.09 s, 0.94 s, 35 s"),
    ("calculon caa4b11", "search, 530B on 5,128 GPUs: 8,112 layouts", "109 s (75 layouts/s)"),
    ("calculon caa4b11", "cold command, one evaluation", "1.07 s"),
    ("llm-analysis 0.2.2", "cold command, one evaluation", "0.38 s"),
    ("mlsysim 0.3.0", "cold command, one evaluation", "7.7–9.5 s"),
    ("SimuMax 1.2", "cold example script", "2.4–4.3 s"),
    ("SimAI-Analytical 1.6", "one evaluation, 9,216 GPUs", "26.3 s"),
    ("estimate-train-time 1ac4d5e", "one 7B prediction", "198–242 s"),
)
WORDS = {
    "test_one_step": "one step of {}, in process",
    "test_many_layouts": "{} layouts of {} on 200,000 GPUs in one evaluation",
    "test_whole_search": "search for {} on 200,000 GPUs",
    "test_points": "{} what-ifs of `tesla-h100`: sizes × machines × models, from change to cost, cold caches",
    "help": "`simgpu --help`, cold process",
    "plan": "`simgpu plan scenarios/colossus.yaml`, cold process",
    "run": "`simgpu run scenarios/colossus.yaml`, cold process",
}
LIVES = {
    "test_two_thousand_failures": "2,000 failures",
    "test_two_thousand_failures_in_days": "2,000 failures of 1,000,000 accelerators",
    "test_failures": "100 days of 1,000,000 accelerators",
    "test_the_failures_of_airesim": "100 days, as many failures as AIReSim had",
    "test_airesim_defaults": "benchmarks/airesim-defaults.yaml",
    "test_one_told_replica_of_colossus": "Colossus, told (SimPy, events and samples kept)",
    "test_one_replica_of_colossus": "Colossus, a replica",
    "test_a_thousand_replicas_of_colossus": "Colossus, 1,000 replicas, as many processes as cores",
}
# CPU-seconds of AIReSim 7b139c7 for one replica, by the same survey.
AIRESIM = {
    "test_airesim_defaults": "28–40 s",
    "test_the_failures_of_airesim[100k GPUs]": "250 s",
    "test_the_failures_of_airesim[200k GPUs]": "1,056 s",
}
TARGETS = {"test_one_told_replica_of_colossus": "0.5 s", "test_a_thousand_replicas_of_colossus": "20 s",
           "test_one_step": "1 ms", "test_many_layouts": "100,000 layouts/s", "test_whole_search": "1 s",
           "test_points": "500 points/s", "help": "0.3 s", "plan": "1 s", "run": "3 s"}  # fmt: skip


def row(one: dict) -> tuple[str, str, str]:
    """What was timed, the best of its rounds and the target."""
    name, given = one["name"].split("[")[0], one.get("param")
    seconds = one["stats"]["min"]
    if name == "test_a_cold_process":
        return WORDS[given], show(seconds, "s"), TARGETS[given]
    for counted, count in one["extra_info"].items():
        said = f"{show(seconds, 's')} ({count / seconds:,.0f} {counted}/s)"
        return WORDS[name].format(f"{count:,}", given), said, TARGETS[name]
    return WORDS[name].format(given), show(seconds, "s"), TARGETS[name]


def life(one: dict) -> tuple[str, str, str, str]:
    """What was lived through, under which conditions, how long it took, and how long it may."""
    name, given = one["name"].split("[")[0], one["params"] or {}
    said = {
        "accelerators": "{:,} accelerators",
        "days": "{:,} days",
        "failures": "{:,} failures",
        "servers": "{:,} servers",
    }
    conditions = [said[key].format(value) for key, value in given.items() if key in said]
    inside = one["name"].partition("[")[2].rstrip("]")
    conditions += [word for word in ("leaps", "lemons, event by event", "event by event") if word in inside][:1]
    other = AIRESIM.get(one["name"])
    limit = f"AIReSim: {other}" if other else TARGETS.get(name, "")
    return LIVES[name], ", ".join(conditions), show(one["stats"]["min"], "s"), limit


PAGE = """\
# How fast the answers come

Written by `benchmarks/table.py` from a run of `pytest benchmarks/test_speed.py benchmarks/bench_life.py`, never by
hand.  The best of several rounds, because others worked on the same machine: {cores} shared cores ({cpu}), Python
{python}, {date}.  simgpu uses one core, but where processes are named.

| simgpu | best | target |
|---|--:|--:|
{ours}

One replica of a cluster's life unless said otherwise; in leaps where the plan allows them (DESIGN.md):

| life | with | best | target, or another's |
|---|---|--:|--:|
{lives}

Other tools, each at the version named, as this project's survey of 22 November 2026 timed them, also on a shared
machine of two cores; wall time, within a factor of two.  Other cases than ours: orders of magnitude only.

| tool | what | wall time |
|---|---|--:|
{theirs}
"""


def rows(cells: Iterable[tuple[str, ...]]) -> str:
    """Lines of a Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def main(path: Path) -> None:
    """Print the page."""
    document = json.loads(path.read_text(encoding="utf-8"))
    machine = document["machine_info"]
    page = PAGE.format(
        cores=machine["cpu"]["count"],
        cpu=machine["cpu"].get("brand_raw") or machine["machine"],
        python=machine["python_version"],
        date=document["datetime"][:10],
        ours=rows(row(one) for one in document["benchmarks"] if one["name"].split("[")[0] not in LIVES),
        lives=rows(life(one) for one in document["benchmarks"] if one["name"].split("[")[0] in LIVES),
        theirs=rows(PEERS),
    )
    print(page, end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
