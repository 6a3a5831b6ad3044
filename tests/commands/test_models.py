import pytest

from outcrop.cli import main
from outcrop.engines.embedding.minilm import NAME
from outcrop.engines.embedding.weights import GRAPH_VERSION


@pytest.fixture
def outcrop(tmp_path, capsys, monkeypatch):
    """Runs `outcrop models …` on an empty data directory: (status, stdout, stderr)."""
    monkeypatch.setenv("OUTCROP_CACHE", str(tmp_path / "cache"))

    def run(*arguments):
        status = main(["models", *arguments, "--data", str(tmp_path)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_map_shows_the_defaults(outcrop, tmp_path):
    status, out, _ = outcrop("map")
    assert status == 0
    assert str(tmp_path / "models.toml") in out
    assert "text       *" in out
    assert "extractive  (default)" in out


def test_map_adds_and_removes(outcrop, tmp_path):
    assert outcrop("map", "anthropic.*", "http://localhost:1/v1#llama")[0] == 0
    assert outcrop("map", "cohere.*", "http://localhost:1/v1#bge", "--task", "embedding")[0] == 0
    _, out, _ = outcrop("list")
    assert "anthropic.*                      http://localhost:1/v1#llama" in out
    assert "cohere.*                         http://localhost:1/v1#bge" in out
    assert "Engines" not in out
    assert outcrop("map", "anthropic.*", "--rm")[0] == 0
    assert "anthropic" not in outcrop("map")[1]


def test_map_refuses_what_makes_no_sense(outcrop):
    assert outcrop("map", "anthropic.*")[0] == 2
    status, _, err = outcrop("map", "anthropic.*", "http://localhost")
    assert (status, "expected URL#MODEL" in err) == (1, True)
    assert "maps no" in outcrop("map", "x", "--rm")[2]


def test_pull_and_rm(outcrop, tmp_path):
    assert f"{NAME}" in outcrop("list")[1]
    assert outcrop("rm", NAME)[0] == 1
    assert "no embedding model 'nothing'" in outcrop("rm", "nothing")[2]
    installed = tmp_path / "cache" / "models" / f"{NAME}-graph{GRAPH_VERSION}"
    installed.mkdir(parents=True)
    (installed / "fp32.onnx").write_bytes(b"x")
    assert "installed" in outcrop("list")[1]
    assert outcrop("rm", NAME)[0] == 0
    assert not installed.exists()
