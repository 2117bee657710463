"""Launch files hold what they name, traps end in an error, and two processes do what one does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from accelerate import PartialState
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType
from launched import ROOT, environment, launch, launch_line, run

from hmlm_fm import HMLMConfig, HMLMForSignaling
from hmlm_fm.common.launching import LaunchError, check_launch, check_wrapper, requested_of_launcher
from hmlm_fm.finetuning.finetuning_options import FinetuningOptions
from hmlm_fm.pretraining.every_parameter import EveryParameter
from hmlm_fm.pretraining.pretraining_options import PretrainingOptions
from hmlm_fm.pretraining.progress import share_of_peak

LAUNCH = ROOT / "launch"
KIND = {
    "single_cpu": (None, 1),
    "multi_cpu": ("multi_gpu", 2),
    "single_gpu": (None, 1),
    "multi_gpu": ("multi_gpu", 8),
    "zero2": ("use_deepspeed", 2),
    "zero3": ("use_deepspeed", 2),
    "zero3_offload": ("use_deepspeed", 2),
    "fsdp2": ("use_fsdp", 8),
    "multi_node": ("multi_gpu", 16),
}
"""Which launcher each file chooses, and for how many processes."""
SCRIPTS = {"pretrain/run.py": PretrainingOptions, "finetune/run.py": FinetuningOptions}


def test_every_configuration_chooses_its_launcher(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = {p.stem for p in LAUNCH.glob("*.yaml")} - {"sky"}
    assert found == set(KIND)
    for name, (launcher, processes) in KIND.items():
        line = ["--config_file", f"launch/{name}.yaml", "pretrain/run.py"]
        arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(line))
        chosen = [k for k in ("multi_gpu", "use_deepspeed", "use_fsdp") if getattr(arguments, k)]
        assert chosen == ([launcher] if launcher else []), name
        assert arguments.num_processes == processes, name
        assert not arguments.cpu, name
        assert requested_of_launcher(["python", "accelerate", "launch", *line]) == processes


def test_deepspeed_files_are_understood(monkeypatch):
    zero = pytest.importorskip("deepspeed.runtime.zero.config")
    for path in LAUNCH.glob("*.json"):
        found = zero.get_zero_config(json.loads(path.read_text()))
        assert found.stage == 3
        assert found.gather_16bit_weights_on_model_save
        # What zero3.yaml states of the shared parts: the token table is one, even of a tiny model.
        model = HMLMForSignaling(HMLMConfig.of_size("tiny", vocab_size=20_000))
        big = [
            n for n, p in model.named_parameters() if p.numel() > found.param_persistence_threshold
        ]
        assert big == ["hmlm.embeddings.members.weight"]
    offload = json.loads((LAUNCH / "zero3_offload.json").read_text())["zero_optimization"]
    assert {offload[k]["device"] for k in ("offload_optimizer", "offload_param")} == {"cpu"}


def shell_texts():
    for path in sorted(LAUNCH.glob("*.sh")):
        yield path.name, path.read_text()
    job = yaml.safe_load((LAUNCH / "sky.yaml").read_text())
    assert {"name", "resources", "setup", "run"} <= set(job)
    yield "sky.yaml", f"{job['setup']}\n{job['run']}"


def test_scripts_are_shell_and_name_what_exists():
    covered = set()
    for name, text in shell_texts():
        done = subprocess.run(
            ["bash", "-n"], input=text, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, (name, done.stderr)
        for config in re.findall(r"launch/([a-z0-9_]+\.yaml)", text):
            assert (LAUNCH / config).exists(), (name, config)
        joined = text.replace("\\\n", " ")
        for script, kind in SCRIPTS.items():
            known = {f.name for f in fields(kind)} | {"config"}
            for rest in re.findall(rf"{script}(.*)", joined):
                flags = set(re.findall(r"--([a-z0-9_]+)", rest))
                assert flags <= known, (name, flags - known)
                covered.add((name, script))
    assert {"cpu_smoke.sh", "gpu.sh", "slurm.sh", "sky.yaml", "hmlm_small.sh"} <= {
        n for n, _ in covered
    }
    for path in LAUNCH.glob("*.sh"):
        assert path.stat().st_mode & 0o100, path.name


def test_the_pages_name_every_file():
    text = (LAUNCH / "README.md").read_text() + (ROOT / "docs" / "launching.md").read_text()
    for path in LAUNCH.iterdir():
        assert path.name == "README.md" or path.name in text, path.name


def test_what_a_launcher_was_given():
    of = ["/bin/python", "/bin/accelerate", "launch"]
    assert requested_of_launcher([*of, "--cpu", "--num_processes", "2", "run.py"]) == 2
    assert requested_of_launcher([*of, "--num_processes=3", "run.py", "--num_processes", "9"]) == 3
    module = ["/bin/python", "-m", "accelerate.commands.launch"]
    assert requested_of_launcher([*module, "--cpu", "run.py"]) is None
    assert requested_of_launcher(["/bin/bash", "-c", "accelerate launch"]) is None
    assert requested_of_launcher([]) is None


@pytest.mark.slow
def test_one_process_where_two_were_requested_is_an_error(tmp_path):
    launcher = [sys.executable, "-m", "accelerate.commands.launch"]
    arguments = [
        "--cpu",
        "--num_processes",
        "2",
        "finetune/run.py",
        "--output_dir",
        str(tmp_path / "o"),
    ]
    done = run([*launcher, *arguments])
    assert done.returncode != 0
    assert "error: 2 processes were requested, and 1 was started" in done.stderr
    assert "multi_cpu.yaml" in done.stderr
    assert not (tmp_path / "o").exists()


def test_launches_that_would_not_work_together(monkeypatch):
    state = PartialState(cpu=True)
    check_launch(state)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LaunchError, match=r"2 processes were started, but 1 .*accelerate launch"):
        check_launch(state)
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    with pytest.raises(LaunchError, match="FSDP does not share gradients"):
        check_launch(state)


def test_a_wrapper_must_be_that_of_the_launch():
    class State:
        distributed_type = DistributedType.MULTI_CPU

    bare = torch.nn.Linear(2, 2)
    with pytest.raises(LaunchError, match="in Linear, not in DistributedDataParallel"):
        check_wrapper(State, bare)
    State.distributed_type = DistributedType.FSDP
    with pytest.raises(LaunchError, match="not in FSDPModule"):
        check_wrapper(State, bare)
    State.distributed_type = DistributedType.NO
    assert check_wrapper(State, bare) == "Linear"
    with pytest.raises(LaunchError, match="DataParallel"):
        check_wrapper(State, torch.nn.DataParallel(bare))


def test_the_share_of_a_peak_is_that_of_a_known_device():
    assert share_of_peak(98.9e12, "NVIDIA H200", bf16=True) == pytest.approx(0.1)
    assert share_of_peak(6.7e12, "NVIDIA H200", bf16=False) == pytest.approx(0.1)
    assert share_of_peak(1e12, "cpu", bf16=False) is None


def test_every_parameter_gets_a_gradient_in_one_order():
    orders = []
    for used in ("ab", "ca", ""):
        parts = torch.nn.ModuleDict({n: torch.nn.Linear(2, 2) for n in "abc"})
        every = EveryParameter(parts)
        order = []
        for name, parameter in parts.named_parameters():
            parameter.register_post_accumulate_grad_hook(lambda _, n=name, o=order: o.append(n))
        for hook in parts._forward_pre_hooks.values():
            hook(parts, ())
        loss = sum((parts[n](torch.ones(2)).sum() for n in used), every.nothing)
        loss.backward()
        orders.append(order)
        assert bool(parts["a"].weight.grad.any()) == ("a" in used)
        assert not parts["b"].weight.grad.any() or "b" in used
    assert orders[0] == orders[1] == orders[2]
    assert len(orders[0]) == 6


def worker(folder, steps):
    return ["--output_dir", str(folder), "--steps", str(steps)]


def losses_of(done):
    assert done.returncode == 0, done.stderr[-3000:]
    return np.array(json.loads(re.search(r"^losses (.*)$", done.stdout, re.M)[1]))


@pytest.mark.slow
def test_two_processes_on_half_batches_do_what_one_does_on_whole_ones(tmp_path):
    alone = subprocess.Popen(
        [sys.executable, "tests/training_worker.py", *worker(tmp_path / "one", 4)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    two = launch("multi_cpu", "tests/training_worker.py", *worker(tmp_path / "two", 4))
    printed, wrong = alone.communicate()
    one = subprocess.CompletedProcess(alone.args, alone.returncode, printed, wrong)
    assert "world size: 1, distributed type: NO, device: cpu" in one.stdout
    assert "world size: 2, distributed type: MULTI_CPU, device: cpu" in two.stdout
    assert "wrapper: DistributedDataParallel, about" in two.stdout
    expected, found = losses_of(one), losses_of(two)
    assert len(set(expected)) == 4
    np.testing.assert_allclose(found, expected, atol=1e-5)
    weights = [np.load(tmp_path / name / "weights.npz") for name in ("one", "two")]
    for name in weights[0]:
        np.testing.assert_allclose(weights[1][name], weights[0][name], atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_plain_torchrun_connects_its_copies(tmp_path):
    done = run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        + ["tests/training_worker.py", *worker(tmp_path / "two", 2)]
    )
    assert done.returncode == 0, done.stderr
    assert "world size: 2, distributed type: MULTI_CPU" in done.stdout


@pytest.mark.slow
def test_a_weight_that_differs_between_processes_is_found(tmp_path):
    script = tmp_path / "apart.py"
    script.write_text(
        "import torch\n"
        "from hmlm_fm.common.launching import check_same_weights, connect\n"
        "state = connect()\n"
        "model = torch.nn.Linear(2, 2)\n"
        "torch.nn.init.constant_(model.weight, 1.0 + state.process_index)\n"
        "torch.nn.init.zeros_(model.bias)\n"
        "check_same_weights(model, state.distributed_type)\n"
    )
    done = launch("multi_cpu", script)
    assert done.returncode != 0
    assert "weights differ from process to process" in done.stderr


@pytest.mark.slow
def test_fsdp2_on_one_gpu(tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    line = launch_line(
        "fsdp2", "--num_processes", "1", "tests/training_worker.py", *worker(tmp_path / "o", 2)
    )
    done = run(line)
    assert done.returncode == 0, done.stderr
    assert "wrapper: FSDPModule" in done.stdout


def test_nothing_of_this_machine_stands_in_a_launch_file():
    for path in LAUNCH.iterdir():
        text = path.read_text()
        for forbidden in (str(Path.home()), str(ROOT), "/tmp/"):
            assert forbidden not in text, path.name
