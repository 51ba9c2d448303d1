"""simgpu: when does a training run end, what does it cost, and what holds it back?

The functions of the line that the data takes, loaded when they are first used::

    scenario = simulator.read("colossus", changes=["site.pue=1.1"])
    plan = simulator.make_plan(scenario)
    log = simulator.simulate(plan, seed=1)
    summary = simulator.summarise(plan, log)

    result = simulator.run_scenario("colossus", replicas=20)     # all of it, with frames and files
    frame = simulator.compare([simulator.read("frontier"), simulator.read("el-capitan")])
"""

from __future__ import annotations

from typing import Any

# Verbs that no module is named after: `simulator.plan` and `simulator.run` are the floors themselves.
_PUBLIC = {
    "read": ("simulator.scenario", "read"),
    "vary": ("simulator.scenario", "vary"),
    "make_plan": ("simulator.plan", "plan"),
    "simulate": ("simulator.engine", "simulate"),
    "summarise": ("simulator.results", "summarise"),
    "run_scenario": ("simulator.run", "run"),
    "replicate": ("simulator.study.replicate", "replicate"),
    "compare": ("simulator.study.compare", "compare"),
    "curve": ("simulator.study.curves", "curve"),
    "SimulatorError": ("simulator.errors", "SimulatorError"),
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604  the keys are names


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _PUBLIC:
        from importlib import import_module

        module, attribute = _PUBLIC[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    """Of the installed distribution; of the project file beside the package in a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("simgpu")
    except PackageNotFoundError:
        import tomllib
        from pathlib import Path

        project = Path(__file__).parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text("utf-8"))["project"]["version"]) if project.is_file() else "unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
