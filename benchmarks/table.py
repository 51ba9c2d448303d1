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
TARGETS = {"test_one_step": "1 ms", "test_many_layouts": "100,000 layouts/s", "test_whole_search": "1 s",
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


PAGE = """\
# How fast the answers come

Written by `benchmarks/table.py` from a run of `pytest benchmarks`; never by hand.  The best of several rounds, because
others worked on the same machine: {cores} shared cores ({cpu}), Python {python}, {date}.  simgpu uses one core.

| simgpu | best | target |
|---|--:|--:|
{ours}

Other tools, each at the version named, as this project's survey of 22 November 2026 timed them, also on a shared
machine of two cores; wall time, within a factor of two.  Other cases than ours: orders of magnitude only.

| tool | what | wall time |
|---|---|--:|
{theirs}
"""


def rows(cells: Iterable[tuple[str, str, str]]) -> str:
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
        ours=rows(map(row, document["benchmarks"])),
        theirs=rows(PEERS),
    )
    print(page, end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
