import pytest

from outcrop.engines.inference.mapping import MappingError, read_file
from outcrop.engines.inference.mapping_file import put, remove

FILE = """# what serves what
[text]   # words
"anthropic.*" = "http://a:1/v1#old"   # the old one

# the rest
"*" = "extractive"

[embedding]
"cohere.*" = "http://b:1/v1#bge"
"""


def entries(file):
    return {(entry.task, entry.pattern): str(entry.choice) for entry in read_file(file)}


def test_put_makes_the_file(tmp_path):
    file = tmp_path / "new" / "models.toml"
    put(file, "text", "anthropic.*", ["http://a:1/v1#x", "extractive"])
    put(file, "image", "*", ["http://a:1/v1#sdxl"])
    assert entries(file) == {
        ("text", "anthropic.*"): "http://a:1/v1#x, extractive",
        ("image", "*"): "http://a:1/v1#sdxl",
    }


def test_put_changes_one_line(tmp_path):
    file = tmp_path / "models.toml"
    file.write_text(FILE)
    put(file, "text", "anthropic.*", ["http://a:1/v1#new"])
    put(file, "text", "meta.*", ["http://a:1/v1#llama"])
    assert file.read_text() == FILE.replace(
        '"anthropic.*" = "http://a:1/v1#old"   # the old one', '"anthropic.*" = "http://a:1/v1#new"'
    ).replace('"*" = "extractive"\n', '"*" = "extractive"\n"meta.*" = "http://a:1/v1#llama"\n')


def test_remove(tmp_path):
    file = tmp_path / "models.toml"
    file.write_text(FILE)
    remove(file, "embedding", "cohere.*")
    assert file.read_text() == FILE.replace('"cohere.*" = "http://b:1/v1#bge"\n', "")
    with pytest.raises(MappingError, match=r"maps no 'cohere\.\*' for embedding"):
        remove(file, "embedding", "cohere.*")


@pytest.mark.parametrize("text", ['text = { "anthropic.*" = "extractive" }\n', '[text]\n"anthropic.*" = [\n"aws"\n]\n'])
def test_what_can_not_be_changed_is_left(tmp_path, text):
    file = tmp_path / "models.toml"
    file.write_text(text)
    with pytest.raises(MappingError):
        put(file, "text", "anthropic.*", ["http://a:1/v1#x"])
    assert file.read_text() == text


def test_put_refuses_no_target(tmp_path):
    with pytest.raises(MappingError, match="expected URL#MODEL"):
        put(tmp_path / "models.toml", "text", "*", ["http://a:1/v1"])
    assert not (tmp_path / "models.toml").exists()
