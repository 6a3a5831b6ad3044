import json

import pytest

from outcrop.cli import main

QUESTIONS = [
    {"question": "How high is the lighthouse?", "document": "lighthouse.txt", "answer": "34 metres"},
    {"question": "How often does the ferry sail in winter?", "document": "boats/ferry.md", "answer": "twice a day"},
    {"question": "Who painted the Mona Lisa?", "unanswerable": True},
]


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "documents"
    (folder / "boats").mkdir(parents=True)
    (folder / "lighthouse.txt").write_text(
        "The lighthouse of Brim was built in 1871. The lighthouse is 34 metres high."
    )
    (folder / "boats/ferry.md").write_text("# The ferry\n\nIn winter the ferry sails twice a day from the west pier.")
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)))
    return [str(tmp_path / "set.jsonl"), "--documents", str(folder)]


def test_configurations_are_compared_on_a_running_stack(outcrop_stack, task, tmp_path, capsys):
    compare = tmp_path / "compare.json"
    compare.write_text(
        json.dumps([{"name": "plain"}, {"name": "reranked", "reranker": "cohere.rerank-v3-5:0", "search": "semantic"}])
    )
    buckets = outcrop_stack.client("s3").list_buckets()["Buckets"]
    status = main(
        [
            "eval",
            *task,
            "--endpoint",
            outcrop_stack.url,
            "--config",
            str(compare),
            "--json",
            str(tmp_path / "out.json"),
            "--html",
            str(tmp_path / "out.html"),
            "--require",
            "page@5>=0.9",
            "--require",
            "refused>=1",
        ]
    )
    said = capsys.readouterr()
    assert status == 0, said.err
    assert said.out.splitlines()[0].split() == ["plain", "reranked"]
    plain, reranked = json.loads((tmp_path / "out.json").read_text())["configurations"]
    assert plain["summary"]["page@1"] == reranked["summary"]["page@1"] == 1
    assert plain["summary"]["exact"] == plain["summary"]["citations"] == 1
    assert plain["ingestion"]["statistics"]["numberOfNewDocumentsIndexed"] == 2
    assert [one["refused"] for one in plain["questions"]] == [False, False, True]
    assert "34 metres" in (tmp_path / "out.html").read_text()
    assert outcrop_stack.client("s3").list_buckets()["Buckets"] == buckets


def test_thresholds_decide_the_exit_status_of_a_private_stack(task, capsys):
    assert main(["eval", *task, "--no-answers", "--results", "1", "--require", "hit<0.5"]) == 1
    said = capsys.readouterr()
    assert "not met: default: hit<0.5: it is 1.000" in said.err
    assert "refused" not in said.out


def test_wrong_input_is_refused_before_anything_starts(task, tmp_path, capsys):
    assert main(["eval", *task, "--require", "speed>1"]) == 1
    assert "is not a condition" in capsys.readouterr().err
    assert main(["eval", task[0], "--documents", str(tmp_path / "nowhere")]) == 1
    assert "is no folder" in capsys.readouterr().err
