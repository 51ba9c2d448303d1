"""How fast the answers come.  Not part of the tests: `pytest benchmarks --benchmark-json=speed.json`.

`python benchmarks/table.py speed.json` turns the figures into docs/speed.md.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.hardware import Accelerator, Fabric, Node
from simulator.plan import ladder, points
from simulator.scenario import read, vary
from simulator.step import Layouts, candidates, evaluate, fastest, fitting, machine
from simulator.workload import LayoutRequest, Recipe, Transformer

ROOT = Path(__file__).parents[1]
GPUS = 200_000
JOBS = {
    "Llama-3.1-405B": Recipe(batch=2048, sequence=8192),
    "DeepSeek-V3": Recipe(batch=15360, sequence=4096),
}


@pytest.fixture(scope="module")
def h100():
    node = Node.load("HGX-H100")
    return machine(node, Accelerator.load(node.accelerator), Fabric.load("spectrum-x-400g"), precision="bf16")


@pytest.fixture(params=JOBS)
def job(request):
    return Transformer.load(request.param), JOBS[request.param]


def test_one_step(benchmark, h100, job):
    """One layout from nothing to its step time and memory."""
    model, recipe = job
    layout = Layouts.of([fastest(h100, model, recipe, 16384).layout])
    benchmark(evaluate, h100, model, recipe, layout)


def test_many_layouts(benchmark, h100, job):
    """Every candidate of a search on 200,000 GPUs, also those that do not fit."""
    model, recipe = job
    layouts = candidates.candidates(h100, model, recipe, GPUS, LayoutRequest())
    benchmark.extra_info["layouts"] = len(layouts)
    benchmark(evaluate, h100, model, recipe, layouts)


def test_whole_search(benchmark, h100, job):
    """The fastest layout on 200,000 GPUs; the grid of candidates is made anew each time."""
    model, recipe = job

    def searched():
        candidates._grid.cache_clear()
        fitting._cuts.cache_clear()
        return fastest(h100, model, recipe, GPUS)

    benchmark(searched)


def test_points(benchmark):
    """Sizes × machines × models from changed scenario to closed-form answer, in one process that knows nothing yet."""
    base = read("tesla-h100")
    machines = ("DGX-A100", "HGX-H100", "DGX-B200", "GB200-tray", "MI300X-8")
    models = ("Llama-3-8B", "Llama-3.1-70B", "Llama-3.1-405B", "Grok-1", "DeepSeek-V3")
    changes = [
        {"cluster.pools.0.node": node, "cluster.pools.0.arrivals": {"2023-08-28": nodes}, "jobs.0.model": model}
        for nodes in (round(64 * 1.13**i) for i in range(40)) for node in machines for model in models
    ]  # fmt: skip

    def answered():
        candidates._grid.cache_clear()
        fitting._cuts.cache_clear()
        ladder._searched.cache_clear()
        return points(vary(base, change) for change in changes)

    benchmark.extra_info["points"] = len(changes)
    benchmark.pedantic(answered, rounds=3)


@pytest.mark.parametrize(
    "command",
    [("--help",), ("plan", "scenarios/colossus.yaml"), ("run", "scenarios/colossus.yaml", "--out")],
    ids=["help", "plan", "run"],
)
def test_a_cold_process(benchmark, tmp_path, command):
    """From the shell and back, imports and all."""
    arguments = [*command, str(tmp_path)] if command[-1] == "--out" else list(command)
    whole = [sys.executable, "-m", "simulator.cli", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def process():
        subprocess.run(whole, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)

    benchmark.pedantic(process, rounds=5, warmup_rounds=1)
