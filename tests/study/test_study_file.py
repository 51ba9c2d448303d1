"""Study files: what they may say, and every mistake told at once with its line."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from simulator.errors import ScenarioError
from simulator.scenario import read
from simulator.scenario.document import parse
from simulator.scenario.locate import packaged
from simulator.study.design import design_of
from simulator.study.file import is_study, read_study, study_of
from simulator.study.json_schema import study_schema, study_schema_text

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(study_schema())
each_shipped = pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
HEAD = "name: mine\nquestion: What if?\nbase: colossus-100k\n"  # three lines: factors begin at line 4


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def faults(call, *arguments, **options):
    with pytest.raises(ScenarioError) as caught:
        call(*arguments, **options)
    return [f"{Path(fault.file).name}:{fault.line}: {fault.path}: {fault.message}" for fault in caught.value.faults]


def test_a_study_of_all_forms_reads(written):
    study = read_study(
        written(
            HEAD
            + """\
set: {site.pue: 1.2}
factors:
  failures.scale: [0.5, 1, 2]
  cluster.pools.h100.arrivals.2024-09-02: {from: 1_000, to: 9_000, steps: 4, scale: log}
  checkpoint.interval: {choice: [optimal, 10 min], weights: [3, 1]}
  failures.standby: {normal: {mean: 60 s, sd: 20 s}, from: 10 s}
  cluster.spares: {uniform: [1 %, 5 %]}
  failures.restart: {loguniform: [2 min, 0.5 h]}
  jobs.grok-3.tokens: {triangular: [1 Ttoken, 2 Ttoken, 4 Ttoken]}
  node: {variants: {h100: {cluster.pools.h100.node: HGX-H100}, h200: {cluster.pools.h100.node: HGX-H200}}}
design: {kind: random, n: 20, seed: 7}
replicas: 3
precision: 2 %
outputs: [cost, time_to_train, "lost_s.checkpoint save"]
objective: {minimise: cost}
constraints: {goodput: "> 0.5"}
evidence: {failures.scale: "estimate: a guess"}
"""
        )
    )
    assert study.kept == ("cost_usd", "time_to_train_d", "lost_s.checkpoint save", "goodput")
    assert study.fixed == ("site.pue=1.2",)
    assert (study.base, study.size, study.runs) == ("colossus-100k", 20, 3)
    assert study.extent == "20 points × at most 3 replicas"
    nodes = [design_of(study).labels(index)[1] for index in range(20)]
    assert all(re.fullmatch(r"\d{4}", count) for count in nodes), "nodes are counted, so they are whole"


BROKEN = {
    "an unknown path": (
        "factors: {failures.scal: [1, 2]}\n",
        ["4: factors.failures.scal.0: unknown key 'scal'; did you mean 'scale'?"],
    ),
    "a bad value in the middle of a list": (
        "factors:\n  failures.standby: [10 s, 20, 30 GB, 40 s]\n",
        [
            "5: factors.failures.standby.1: expected time, e.g. '90 min'; got the bare number 20 without a unit",
            "5: factors.failures.standby.2: expected time, e.g. '90 min'; got '30 GB', which is not convertible to",
        ],
    ),
    "no factors": ("factors: {}\n", ["4: factors: expected at least 1 of them; got 0"]),
    "no factors at all": ("", ["1: factors: expected a value (dotted path, or any name"]),
    "an empty list": ("factors: {failures.scale: []}\n", ["4: factors.failures.scale: expected at least 1 of them"]),
    "no form": (
        "factors: {failures.scale: {unifrom: [1, 2]}}\n",
        ["got a mapping with unifrom; did you mean 'uniform'?"],
    ),
    "neither list nor form": ("factors: {failures.scale: 3}\n", ["4: factors.failures.scale: expected […], {from: …"]),
    "backwards": (
        "factors: {failures.standby: {from: 2 min, to: 10 s, steps: 3}}\n",
        ["expected a range from the smaller to the larger value; got from 2 min to 10 s, which runs backwards"],
    ),
    "one value": ("factors: {site.pue: {from: 2, to: 2, steps: 3}}\n", ["got from 2 to 2, which is one value"]),
    "a log range from zero": (
        "factors: {failures.scale: {from: 0, to: 2, steps: 3, scale: log}}\n",
        ["expected a log range of numbers above zero; got from 0 to 2"],
    ),
    "two kinds of unit": (
        "factors: {failures.standby: {from: 1 s, to: 3 GB, steps: 3}}\n",
        ["expected two units of one kind; got 's' and 'GB'"],
    ),
    "the wrong unit": (
        "factors: {failures.standby: {from: 1 GB, to: 3 GB, steps: 3}}\n",
        ["4: factors.failures.standby: expected time, e.g. '90 min'; got '1 GB', which is not convertible to second"],
    ),
    "no unit": ("factors: {failures.standby: {from: 1, to: 3, steps: 3}}\n", ["got the bare number 1 without a unit"]),
    "no number": ("factors: {site.pue: {from: one, to: 3, steps: 3}}\n", ["expected a number, with its unit if"]),
    "a deviation below zero": (
        "factors: {site.pue: {normal: {mean: 1.2, sd: -1}}}\ndesign: {kind: random, n: 4}\n",
        ["4: factors.site.pue: expected a standard deviation above zero; got -1"],
    ),
    "a bell that leaves what is possible": (
        "factors: {site.pue: {normal: {mean: 1.2, sd: 0.1}}}\ndesign: {kind: random, n: 4}\n",
        ["4: factors.site.pue: expected at least 1; got 0.8909768"],
    ),
    "a mode outside": (
        "factors: {site.pue: {triangular: [1, 4, 3]}}\ndesign: {kind: random, n: 4}\n",
        ["expected the likeliest value in the middle: [smallest, likeliest, largest]; got 1, 4, 3"],
    ),
    "weights that miss one": (
        "factors: {site.pue: {choice: [1, 2], weights: [1]}}\n",
        ["expected one weight for each of the 2 values; got 1"],
    ),
    "a distribution in a grid": (
        "factors: {site.pue: {uniform: [1, 2]}}\n",
        ["expected a list or a range in steps for a grid; got values without number; steps: 5 makes it finite"],
    ),
    "a zip of two lengths": (
        "factors: {site.pue: [1, 2], failures.scale: [1, 2, 3]}\ndesign: zip\n",
        ["expected lists of one length for a zip; got site.pue 2, failures.scale 3"],
    ),
    "a grid without end": (
        "factors:\n"
        + "".join(f"  {path}: {{from: 1, to: 2, steps: 1_000_000}}\n" for path in ("site.pue", "failures.scale"))
        + "  horizon: {from: 1 y, to: 2 y, steps: 10_000}\n",
        ["expected a grid of at most 1,000,000,000,000,000 points; got 1,000,000 × 1,000,000 × 10,000"],
    ),
    "a draw of no number": (
        "factors: {site.pue: [1, 2]}\ndesign: sobol\n",
        ["expected how many points to draw, e.g. {kind: sobol, n: 256}; got no n"],
    ),
    "a grid of a number": (
        "factors: {site.pue: [1, 2]}\ndesign: {kind: grid, n: 3}\n",
        ["expected no n, since a grid has the points its lists give it; got 3"],
    ),
    "an unknown design": (
        "factors: {site.pue: [1, 2]}\ndesign: sobl\n",
        ["5: design: expected 'grid', 'zip', 'random'", "got 'sobl'; did you mean 'sobol'?"],
    ),
    "an unknown key": (
        "factors: {site.pue: [1, 2]}\nreplica: 3\n",
        ["5: replica: unknown key; did you mean 'replicas'?"],
    ),
    "an unknown key of a range": (
        "factors: {site.pue: {from: 1, to: 2, stesp: 3}}\n",
        ["4: factors.site.pue.stesp: unknown key; did you mean 'steps'?"],
    ),
    "an unknown output": (
        "factors: {site.pue: [1, 2]}\noutputs: [cost, gooodput]\n",
        ["5: outputs.1: unknown output 'gooodput'; did you mean 'goodput'?"],
    ),
    "what no plan has": (
        "factors: {site.pue: [1, 2]}\nmode: plan\noutputs: [interruptions]\n",
        ["6: outputs.0: unknown output 'interruptions'"],
    ),
    "replicas of a plan": (
        "factors: {site.pue: [1, 2]}\nmode: plan\nreplicas: 3\n",
        ["expected one replica of a plan, which is arithmetic; got 3"],
    ),
    "two objectives": (
        "factors: {site.pue: [1, 2]}\nobjective: {minimise: cost, maximise: mfu}\n",
        ["5: objective: expected one of minimise and maximise, e.g. {minimise: cost}"],
    ),
    "a constraint that is none": (
        "factors: {site.pue: [1, 2]}\nconstraints: {cost: 4 MUSD}\n",
        ["5: constraints.cost: expected <, <=, > or >= and a bound, e.g. '< 400 MUSD'; got '4 MUSD'"],
    ),
    "evidence of nothing": (
        "factors: {site.pue: [1, 2]}\nevidence: {site.pui: 'estimate: x'}\n",
        ["5: evidence.site.pui: expected a factor, or another key of the study; did you mean 'site.pue'?"],
    ),
    "a fixed change that cannot be, and a factor too": (
        "set: {cluster.fabric: spectrum}\nfactors: {site.pue: [0.5]}\n",
        ["4: set.cluster.fabric: expected a name from the catalogue's", "5: factors.site.pue.0: expected at least 1"],
    ),
    "one path in two places": (
        "set: {site.pue: 1.1}\nfactors:\n  site.pue: [1.2]\n  m: {variants: {a: {site.pue: 1.3}, b: {seed: 2}}}\n",
        [
            "6: factors.site.pue: expected each path in one place; got site.pue, which set changes too",
            "7: factors.m: expected each path in one place; got site.pue, which factor site.pue changes too",
        ],
    ),
    "a variant with a slip": (
        "factors:\n  m:\n    variants:\n      a: {site.pue: 1.1}\n      b: {cluster.pools.h100.nod: x}\n",
        ["8: factors.m.variants.b: cluster.pools.h100.nod: unknown key 'nod'; did you mean 'node'?"],
    ),
    "values that only clash together": (
        "factors: {jobs.grok-3.tokens: [55 Ttoken, 1 Mtoken]}\n",
        ["4: factors.jobs.grok-3.tokens.1: with 1 Mtoken: jobs.grok-3.batch: expected a batch of at most the job's"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_with_its_line(written, body, expected):
    told = faults(read_study, written(HEAD + body))
    for part in expected:
        assert any(part in line for line in told), "\n".join(told)
    assert all(re.match(r"mine\.yaml:\d+: ", line) for line in told)


def test_all_mistakes_come_at_once(written):
    body = "factors: {site.pue: [0.5, 1], failures.scal: [1]}\noutputs: [cots]\n"
    assert len(faults(read_study, written(HEAD + body))) == 3
    body = "factors: {site.pue: {from: 2, to: 1}, m: 5}\ndesign: sobol\nreplicas: 0\nmod: plan\n"
    assert len(faults(read_study, written("name: My Study\nbase: nowhere\n" + body))) == 7


def test_what_is_wrong_by_itself_hides_no_value_that_the_base_refuses(written):
    body = "factors:\n  failures.scael: [1]\n  site.pue: [1, 0.5]\n  cluster.spares: {from: 2 %, to: 1 %, steps: 2}\n"
    body += "design: sobool\noutputs: [cots]\nevidence: {cluster.spares: 'choice: any'}\n"
    told = faults(read_study, written(HEAD + body))
    assert [line.split(": ")[1] for line in told] == [
        "factors.failures.scael.0", "factors.site.pue.1", "factors.cluster.spares", "design", "outputs.0",
    ]  # fmt: skip


def test_a_base_that_is_not_there_or_wrong_is_told_at_its_own_line(written, tmp_path):
    text = HEAD.replace("colossus-100k", "colosus")
    (told,) = faults(read_study, written(text + "factors: {site.pue: [1]}\n"))
    assert told.startswith("mine.yaml:3: base: expected a scenario file or name; got 'colosus'")
    assert "did you mean 'colossus'?" in told
    written("extends: colossus\nname: base\nsite: {pue: 0}\n", "base.yaml")
    (told,) = faults(read_study, written(HEAD.replace("colossus-100k", "base.yaml") + "factors: {site.pue: [1]}\n"))
    assert told.startswith("base.yaml:3: site.pue: expected")


def test_a_base_beside_the_study_is_found_from_anywhere(written, tmp_path):
    written("extends: colossus\nname: base\nsite: {pue: 1.3}\n", "base.yaml")
    study = read_study(written(HEAD.replace("colossus-100k", "base.yaml") + "factors: {site.pue: [1]}\n"))
    assert study.base == str(tmp_path / "base.yaml")


def test_a_change_replaces_what_the_file_says_of_its_path(written):
    path = written(HEAD + "factors: {failures.scale: [1, 2], site.pue: [1, 1.1]}\n")
    study = read_study(path, changes=["failures.scale=3", "cluster.spares=1 %,2 %"])
    assert study.fixed == ("failures.scale=3",)
    assert list(study.factors) == ["site.pue", "cluster.spares"]
    assert read_study(path, changes=["site.pue=1.2,1.3,1.4"]).factors["site.pue"].root == (1.2, 1.3, 1.4)


def test_lists_behind_set_are_factors_and_single_values_are_for_all():
    study = study_of("colossus-100k", ["failures.scale=0.5, 1,2", "site.pue=1.1"], replicas=4)
    assert study.fixed == ("site.pue=1.1",)
    assert study.factors["failures.scale"].root == (0.5, 1, 2)
    assert (study.size, study.runs, study.base, study.name) == (3, 4, "colossus-100k", "colossus-100k")


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ("cluster.pools.h100.arrivals={2024-09-02: 10},{2024-09-02: 20, 2024-10-02: 30}", 2),
        ("notes=\"one, two\",'three, four'", 2),
        ("notes=it's one,it's two", 2),
        ("expect.goodput=> 0.5,> 0.6", 2),
    ],
)
def test_commas_inside_brackets_and_quotes_belong_to_a_value(change, values):
    assert study_of("colossus-100k", [change]).size == values


def test_a_sweep_over_nothing_says_how_to_sweep():
    (told,) = faults(study_of, "colossus", ["site.pue=1.1"])
    assert "expected a list to sweep over, e.g. --set failures.scale=0.5,1,2; got single values only" in told
    (told,) = faults(study_of, "colossus", [])
    assert told.endswith("got none")


def test_mistakes_on_the_command_line_name_the_change():
    with pytest.raises(ScenarioError) as caught:
        study_of("colossus", ["failures.scal=1,2", "site.pue=x,2", "cluster.fabric=a", "nonsense"])
    told = str(caught.value).splitlines()
    assert "--set failures.scal=1,2: failures.scal.0: unknown key 'scal'; did you mean 'scale'?" in told
    assert any(line.startswith("--set site.pue=x,2: site.pue.0: expected ratio") for line in told)
    assert any(line.startswith("--set cluster.fabric=a: cluster.fabric: expected a name from the") for line in told)
    assert any(line.startswith("--set nonsense: expected path=value") for line in told)


def test_what_is_large_is_said(written):
    range_ = "{from: 1, to: 2, steps: 1_000_000}"
    body = f"factors: {{site.pue: {range_}, failures.scale: {range_}}}\n"
    study = read_study(written(HEAD + body))
    assert study.extent == "1,000,000,000,000 points"
    assert study.remarks == ("1,000,000,000,000 tasks: simgpu sweep asks for --yes",)


def test_an_objective_over_ranges_without_steps_asks_for_a_search(written):
    body = "factors: {site.pue: {from: 1, to: 2}}\nmode: plan\n"
    study = read_study(written(HEAD + body + "objective: {minimise: cost}\n"))
    assert (study.design.kind, study.extent) == ("search", "a search")
    assert "expected a list or a range in steps for a grid" in faults(read_study, written(HEAD + body))[0]


def test_a_study_is_told_from_a_scenario(written):
    assert is_study(written(HEAD + "factors: {site.pue: [1]}\n"))
    assert not is_study(written("extends: colossus\nname: base\n", "base.yaml"))
    assert is_study("colossus-size")
    assert not is_study("colossus")
    assert not is_study(written("]", "no.yaml"))


def test_three_studies_ship():
    assert packaged("study") == ("colossus-size", "grok-3-date", "machines-and-models")


@each_shipped
def test_a_shipped_study_is_valid_and_says_what_its_ranges_rest_on(path):
    study = read_study(path)
    assert study.name == path.stem
    assert study.question.endswith("?")
    assert {*study.factors, *study.set} <= set(study.evidence)
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=study.schema.json\n")


@each_shipped
def test_a_shipped_study_satisfies_the_schema(path):
    VALIDATOR.validate(parse(path.read_text(encoding="utf-8"), "").data)


def test_the_committed_schema_is_fresh():
    committed = STUDIES[0].parent / "study.schema.json"
    assert committed.read_text(encoding="utf-8") == study_schema_text(), "write it again: simgpu schema --study"
    assert json.loads(study_schema_text()) == study_schema()


@pytest.mark.parametrize(
    "body",
    [
        "factor: {site.pue: [1]}\n", "factors: {site.pue: []}\n", "factors: {site.pue: 3}\n",
        "factors: {site.pue: {unifrom: [1, 2]}}\n", "factors: {site.pue: {from: 1}}\n",
        "factors: {site.pue: [1]}\ndesign: sobol\n", "factors: {site.pue: [1]}\nmode: guess\n",
        "factors: {site.pue: [1]}\nreplicas: 0\n", "factors: {site.pue: [1]}\nevidence: {site.pue: because}\n",
    ],
)  # fmt: skip
def test_an_editor_marks_the_mistakes_it_can_see(body):
    assert list(VALIDATOR.iter_errors(parse(HEAD + body, "").data))


def test_every_key_explains_itself_on_hover():
    schema = study_schema()
    parts = [("", schema), *schema["$defs"].items()]
    silent = [f"{name}.{key}" for name, part in parts for key, value in part.get("properties", {}).items()
              if not value.get("description")]  # fmt: skip
    assert silent == []


def test_a_study_is_no_scenario(written):
    path = written(HEAD + "factors: {site.pue: [1]}\n")
    (told,) = faults(read, path)
    assert told == f"mine.yaml:1: : expected a scenario; got a study, which simgpu sweep {path} runs"


def test_what_the_command_line_asks_for_is_told_as_such(written):
    path = written(HEAD + "factors: {site.pue: [1]}\noutputs: [mfu]\n")
    (told,) = faults(read_study, path, outputs=["cots"])
    assert told == "command line:None: outputs.0: unknown output 'cots'; did you mean 'cost'?"
