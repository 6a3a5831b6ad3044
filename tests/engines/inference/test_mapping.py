import pytest

from outcrop.engines.inference.mapping import (
    Choice,
    Entries,
    MappingError,
    Target,
    read_entries,
    read_file,
    read_options,
    read_target,
)

FILE = """
[text]
"anthropic.*" = "http://localhost:11434/v1#llama3.2"
"anthropic.claude-3*" = ["http://gpu:8000/v1/#llama", "http://spare:8000/v1#llama"]
"amazon.nova*" = { to = "http://gpu:8000/v1#qwen", timeout = 60, retries = 1, api_key = "$GPU_KEY" }
"meta.*" = "transformers:~/models/llama"
"*" = "extractive"

[embedding]
"cohere.*" = "http://localhost:8000/v1#bge-m3"
"""


def found(text, task, model_id):
    entry = Entries(tuple(read_entries(text, "models.toml"))).find(task, model_id)
    return entry and entry.choice


@pytest.mark.parametrize(
    ("task", "model_id", "targets"),
    [
        ("text", "anthropic.claude-v2", "http://localhost:11434/v1#llama3.2"),
        ("text", "anthropic.claude-3-haiku", "http://gpu:8000/v1#llama, http://spare:8000/v1#llama"),
        ("text", "meta.llama3-8b-instruct-v1:0", "transformers:~/models/llama"),
        ("text", "ai21.jamba", "extractive"),
        ("embedding", "cohere.embed-v4:0", "http://localhost:8000/v1#bge-m3"),
        ("embedding", "amazon.titan-embed-text-v2:0", "None"),
        ("image", "stability.sd3-5-large-v1:0", "None"),
    ],
)
def test_the_longest_pattern_wins(task, model_id, targets):
    assert str(found(FILE, task, model_id)) == targets


def test_options():
    choice = found(FILE, "text", "amazon.nova-lite-v1:0")
    assert choice == Choice(
        (Target("openai", "http://gpu:8000/v1#qwen"),), (("api_key", "$GPU_KEY"), ("retries", 1), ("timeout", 60))
    )
    assert choice.option("timeout", 300) == 60
    assert choice.option("connect_timeout", 5) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[text", "models.toml: "),
        ("text = 1", r"\[text\] is no section"),
        ("[words]", r"\[words\] is no section. There are \[text\]"),
        ('[text]\n"a" = 1', r'\[text\] "a": expected a target'),
        ('[text]\n"a" = []', "expected a target"),
        ('[text]\n"a" = {timeout = 1}', "expected a target"),
        ('[text]\n"a" = "http://x/v1"', "expected URL#MODEL"),
        ('[text]\n"a" = "http://[x/v1#m"', "expected URL#MODEL"),
        ('[text]\n"a" = "what is this"', "expected URL#MODEL or an engine"),
        ('[text]\n"a" = {to = "extractive", speed = 1}', "no option 'speed'. There are api_key"),
        ('[text]\n"a" = {to = "extractive", timeout = "x"}', "timeout must be a number"),
        ('[text]\n"a" = {to = "extractive", api_key = 1}', "api_key must be a string"),
    ],
)
def test_what_can_not_be_read_is_named(text, said):
    with pytest.raises(MappingError, match=said):
        read_entries(text, "models.toml")


def test_a_file_that_is_not_there_maps_nothing(tmp_path):
    assert read_file(tmp_path / "models.toml") == []
    with pytest.raises(MappingError, match=str(tmp_path)):
        read_file(tmp_path)


def test_options_of_the_command_line_back_each_other_up():
    entries = read_options(
        ["http://a:1/v1#one", "anthropic.*=http://b:2/v1/#two", "http://c:3/v1#three", "x=extractive", "replay:f"]
    )
    assert [(entry.pattern, str(entry.choice)) for entry in entries] == [
        ("*", "http://a:1/v1#one, http://c:3/v1#three, replay:f"),
        ("anthropic.*", "http://b:2/v1#two"),
        ("x", "extractive"),
    ]


def test_the_last_entry_of_a_pattern_counts():
    entries = Entries((*read_entries(FILE, "f"), *read_options(["http://a:1/v1#one"])))
    assert str(entries.find("text", "ai21.jamba").choice) == "http://a:1/v1#one"
    assert len(list(entries)) == 6


@pytest.mark.parametrize("text", ["extractive", "transformers:/a/b", "http://a/v1#m", "aws"])
def test_targets_read_as_they_are_written(text):
    assert str(read_target(text)) == text
