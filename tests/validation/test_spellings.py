"""Rows of sources nobody has seen: names, sizes and free text as people write them."""

from dataclasses import replace

import pytest

from simulator.errors import SimulatorError
from simulator.validation.filling import precision, recompute, zero
from simulator.validation.machines import accelerator, found
from simulator.validation.names import HYBRID, kind, known, sizes
from simulator.validation.predict import predict
from simulator.validation.proportions import heads, sized, usual
from simulator.validation.rows import UnreadableError, parse
from simulator.validation.shapes import shape
from simulator.validation.wires import bandwidth, inside

GBIT = 1e9 / 8
LEAST = {"id": "x", "model": "Llama-3 8B", "accelerator": "H100", "n_accelerators": "64", "seq_len": "4096",
         "global_batch_seqs": "256", "year": "2025"}  # fmt: skip


def inputs(**changed):
    return parse({**LEAST, **changed})


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("A100 40GB", "A100-SXM-40GB"), ("A100 (40 GB)", "A100-SXM-40GB"), ("A800-40GB", "A100-SXM-40GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"), ("A100 80GB PCIe", "A100-PCIe-80GB"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM"), ("H100 80GB SXM5", "H100-SXM"), ("DGX-H100", "H100-SXM"),
        ("V100-32GB-SXM", "V100-SXM-32GB"), ("GB200 NVL72", "GB200"), ("B300 SXM6 AC", "B300-SXM"),
        ("GH200 120GB", "GH200"), ("TPU v7x", "TPU-v7"), ("TPU7x (Ironwood)", "TPU-v7"), ("TPU v5 lite", "TPU-v5e"),
        ("MI250X (GCD)", "MI250X-GCD"), ("Instinct MI300X OAM", "MI300X"), ("HL-225", "Gaudi2"),
        ("Cerebras WSE-3 (CS-3)", "WSE-3"), ("Intel GPU Max 1550 (tile)", "Intel-Max-1550-tile"),
        ("H100-SXM (GH200)", "GH200"), ("NVIDIA H100 Tensor Core GPU", "H100-SXM"), ("AWS Trainium1 chip", "Trainium1"),
        ("Trainium1 core", "Trainium1-core"),
    ],
)  # fmt: skip
def test_a_part_is_found_by_what_it_is_called(written, name):
    assert accelerator(written).name == name


@pytest.mark.parametrize(
    "written",
    ["A100 custom 64GB", "V100-16GB", "A100-PCIe", "H20", "RTX 4090", "TPUv2", "TPU v3 core", "Trainium2 core", "???"],
)
def test_a_part_of_another_kind_or_an_unclear_one_is_not_taken_for_it(written):
    with pytest.raises(UnreadableError, match="is not in the catalogue"):
        accelerator(written)


@pytest.mark.parametrize(
    ("text", "per_node", "gbit"),
    [
        ("EFA 3200 Gbps", 8, 400), ("EFAv3 3.2 Tbps", 8, 400), ("8x400Gb/s InfiniBand NDR", 8, 400),
        ("8x400GbE", 8, 400), ("8x 200Gb RoCE", 8, 200), ("100 GbE", 8, 12.5), ("NDR200 x4", 8, 100),
        ("Omni-Path 4x100", 8, 50), ("Omni-Path 100 Gb/s x4", 8, 50), ("4x Slingshot 11 NICs, 25 GB/s each", 4, 200),
        ("Slingshot 11 (4 NICs per node)", 4, 200), ("1x400Gb/s per GPU (ConnectX-7)", 8, 400),
        ("3x 100GbE per card", 8, 300), ("8x H100 nodes, 400G", 8, None), ("InfiniBand NDR", 8, None), ("ICI", 4, None),
    ],
)  # fmt: skip
def test_a_network_as_it_is_written_elsewhere(text, per_node, gbit):
    assert bandwidth(text, per_node) == (None if gbit is None else pytest.approx(gbit * GBIT))


@pytest.mark.parametrize(("text", "rate"), [("NVLink5 1.8TB/s", 900e9), ("NVSwitch 900 GB/s", 450e9), ("xGMI", None)])
def test_links_inside_a_node_are_read_in_either_unit(text, rate):
    assert inside(text, 25e9) == rate


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("ZeRO stage 1", 1), ("zero_stage=2", 2), ("ZeRO stage 3", 3), ("DeepSpeed stage 3", 3), ("ZeRO 1.5", 1),
        ("HybridParallel zero1", 1), ("GeminiPlugin", 3), ("HYBRID_SHARD", 3), ("_HYBRID_SHARD_ZERO2", 2),
        ("FSDP2 (reshard_after_forward=False)", 2), ("FSDP2", 3), ("ZeRO++", 3), ("distributed optimizer", 1),
        ("ZeRO", None),
    ],
)  # fmt: skip
def test_sharding_as_it_is_written_elsewhere(text, stage):
    assert zero(text) == stage


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("selective AC (op)", "selective"), ("full AC", "full"), ("gradient checkpointing", "full"),
        ("activation checkpointing", "full"), ("activation ckpt off", "none"), ("no activation checkpointing", "none"),
        ("yes", "full"), ("No", "none"), ("0", "none"), ("1", "full"), ("on", "full"), ("disabled", "none"),
        ("moe_act, mlp, layernorm", "selective"), ("minimal_offloaded", "selective"),
        ("custom (remat_policy)", "selective"), ("not stated", None),
    ],
)  # fmt: skip
def test_recomputation_as_it_is_written_elsewhere(text, what):
    assert recompute(text) == what


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("fp8-cs", "fp8"), ("FP8_CS", "fp8"), ("fp8-mx", "mxfp8"), ("FP8_MX", "mxfp8"), ("fp8_sc", "fp8"),
        ("float8 rowwise", "fp8"), ("amp_fp8", "fp8"), ("amp_bf16", "bf16"), ("bf16-mixed", "bf16"),
        ("fp16 mixed", "fp16"), ("cbfloat16", "fp16"), ("bfloat16", "bf16"), ("NVFP4", "nvfp4"),
    ],
)  # fmt: skip
def test_a_format_as_it_is_written_elsewhere(text, format_):
    assert precision(text, frozenset({"bf16", "fp16", "fp8", "fp4"})) == (format_, False)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("LLaMA2-7B", "Llama-2-7B"), ("Meta Llama 3 8B", "Llama-3-8B"), ("Pythia 1.4B", "Pythia-1.4B"),
        ("OLMo-1 7B", "OLMo-7B"), ("Nemotron-3-8B", "Nemotron-3-8B"), ("GPT 1T", "Megatron-1T"),
        ("Phi-4 14B", "Phi-4"), ("GLM-4.5 Air 106B-A12B", "GLM-4.5-Air"),
    ],
)  # fmt: skip
def test_a_model_is_found_by_what_it_is_called(written, name):
    assert known(written).name == name
    assert not kind(written)


@pytest.mark.parametrize("written", ["GPT3-1.3B", "StarCoder2-15B", "Qwen-72B", "Llama-2 70B LoRA"])
def test_a_point_in_a_size_and_a_word_after_it_count(written):
    assert known(written) is None


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [("Qwen3-Next 80B-A3B", 80e9, 3e9), ("GPT 1T", 1e12, None), ("GPT-2 345M", 345e6, None), ("7B dense", 7e9, None),
     ("Mixtral 8x7B", None, None), ("Gopher", None, None)],
)  # fmt: skip
def test_sizes_stand_in_names(name, total, active):
    assert sizes(name) == (total, active)


def test_a_size_in_a_name_is_as_good_as_one_in_its_column():
    named, filled = shape(inputs(model="Some model 7B"))
    stated, _ = shape(inputs(model="Some model", params_b="7"))
    assert (named.layers, named.hidden) == (stated.layers, stated.hidden)
    assert "params_b" in filled
    assert "params_b" not in shape(inputs(model="Some model 7B", layers="32", hidden="4096"))[1]


def test_a_model_cut_short_is_not_of_the_size_its_name_says():
    with pytest.raises(UnreadableError, match="layers: not stated"):
        shape(inputs(model="Nobody's 70B (proxy)", hidden="8192"))


@pytest.mark.parametrize(("total", "active"), [(80, 3), (236, 21), (671, 37), (1026, 32), (132, 36)])
def test_experts_of_a_size_have_the_parameters_that_are_stated(total, active):
    model, filled = shape(inputs(model="Some MoE", params_b=str(total), active_params_b=str(active)))
    assert model.parameters == pytest.approx(total * 1e9, rel=0.6)
    assert model.active_parameters == pytest.approx(active * 1e9, rel=0.6)
    assert {"n_experts", "experts_topk", "layers", "hidden", "ffn_hidden"} <= set(filled)


def test_a_stated_number_of_experts_is_kept():
    model, filled = shape(inputs(model="MoE", params_b="141", active_params_b="39", n_experts="8", experts_topk="2"))
    assert (model.experts, model.experts_per_token) == (8, 2)
    assert model.parameters == pytest.approx(141e9, rel=0.1)
    assert "n_experts" not in filled


def test_a_shape_without_its_experts_is_no_dense_model():
    size = {"params_b": "80", "active_params_b": "8", "layers": "48", "hidden": "2048", "ffn_hidden": "512"}
    model, _ = shape(inputs(model="m", **size))
    assert (model.layers, model.hidden, model.expert_width) == (48, 2048, 512)
    assert model.parameters == pytest.approx(80e9, rel=0.4)


@pytest.mark.parametrize("name", ["Some-MoE 60B", "Sparse 1.1T", "Switch-C 1.5T", "Other 8x22B"])
def test_experts_of_unknown_size_are_not_taken_for_a_dense_model(name):
    with pytest.raises(UnreadableError, match="active_params_b: not stated for a mixture of experts"):
        shape(inputs(model=name, params_b="60"))


def test_more_active_weights_than_there_are_is_a_mistake():
    with pytest.raises(UnreadableError, match="expected at most params_b = 60"):
        shape(inputs(model="MoE", params_b="60", active_params_b="70"))


def test_a_sparse_model_costs_its_active_weights():
    dense = predict(inputs(model="d", params_b="30"))
    sparse = predict(inputs(model="s", params_b="30", active_params_b="3"))
    assert sparse.tokens_per_s > 2 * dense.tokens_per_s


def test_a_hybrid_that_the_catalogue_lacks_is_a_transformer_of_its_size_and_says_so():
    made = predict(inputs(model="Jamba 1.5", params_b="30", active_params_b="3"))
    alike = predict(inputs(model="alike", params_b="30", active_params_b="3"))
    assert made.hybrid
    assert made.step_time_s == alike.step_time_s
    assert "a Mamba hybrid taken as a transformer" in made.remarks[0]
    assert "layers" in made.inferred
    with pytest.raises(SimulatorError, match="params_b: not stated for a Mamba hybrid"):
        predict(inputs(model="Nemotron-3.5 Lightning"))


def test_a_hybrid_of_the_catalogue_is_what_it_is():
    asked = inputs(model="Nemotron-3 Nano (hybrid Mamba-MoE)", params_b="30", active_params_b="3")
    model, _ = shape(asked)
    assert (model.scan_layers, model.layers, model.fed, model.experts) == (23, 29, 23, 128)
    assert predict(asked).hybrid
    assert not any("taken as a transformer" in remark for remark in predict(asked).remarks)


@pytest.mark.parametrize(
    "name", ["Qwen3-Next 80B-A3B", "Falcon-H1 34B", "Jamba 1.5", "Nemotron V3 Nano 30B", "Nemotron-H 8B"]
)
def test_hybrids_are_known_by_their_names(name):
    assert kind(name) == HYBRID


def test_layers_of_a_hybrid_count_another_structure():
    """118 layers of Nemotron-H are 54 of state space, 54 feed-forward and 10 of attention."""
    model, _ = shape(inputs(model="Nemotron-H 56B (hybrid Mamba)", params_b="56", layers="118", hidden="8192"))
    assert (model.hidden, model.scan_layers, model.fed) == (8192, 54, 54)
    assert model.attending * model.layers == pytest.approx(10)
    assert model.parameters == pytest.approx(56e9, rel=0.01)


@pytest.mark.parametrize("name", ["Llama-2 70B LoRA", "Flux.1 12B", "Stable Diffusion", "AlexaTM 20B (seq2seq)"])
def test_what_is_no_whole_decoder_is_refused(name):
    with pytest.raises(UnreadableError, match="only decoder-only transformers"):
        shape(inputs(model=name))


@pytest.mark.parametrize("billions", [1, 3, 13, 34, 65, 72, 100, 280, 500])
def test_filled_heads_can_be_divided(billions):
    """A model of 71 heads could not be split, so nobody makes one."""
    _, hidden = usual(billions * 1e9)
    assert hidden % heads(hidden) == 0
    assert heads(hidden) % 4 == 0


def test_what_is_whole_is_left_as_it_is():
    whole = inputs(model="own", layers="32", hidden="4096")
    assert sized(whole) == (whole, [])


def test_thousands_and_words_for_nothing_are_numbers_and_blanks():
    row = inputs(n_accelerators="1,024", tp="n/a", pp="-", sequence_parallel="isp")
    assert (row.n_accelerators, row.tp, row.pp, row.sequence_parallel) == (1024, None, None, True)
    for odd in ("1 024", "4k", "1,02"):
        with pytest.raises(UnreadableError, match="n_accelerators: expected a number"):
            inputs(n_accelerators=odd)


def test_hybrid_sharding_stays_in_the_node_whatever_it_is_called():
    asked = inputs(zero_stage_or_fsdp="HSDP", framework="PyTorch FSDP")
    assert predict(asked) == predict(replace(asked, zero_stage_or_fsdp="HYBRID_SHARD"))
    assert found(asked).box == 8
