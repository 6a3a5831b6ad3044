"""`outcrop eval`: question sets over one or several configurations."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.evaluation.asking import Base, Evaluation
    from outcrop.evaluation.configurations import Configuration
    from outcrop.evaluation.questions import Question
    from outcrop.evaluation.report import Run
    from outcrop.evaluation.requirements import Requirement
    from outcrop.settings import Settings

_OPTIONS = ("chunking", "max_tokens", "overlap", "search", "results", "reranker", "model", "embedding")


def add(command: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """Add the options to the command's parser."""
    command.add_argument("questions", type=Path, help="JSON lines: question, document, page, answer, unanswerable")
    command.add_argument("--documents", type=Path, required=True, metavar="FOLDER", help="what is asked about")
    command.add_argument("--config", type=Path, metavar="FILE", help="configurations to compare (TOML or JSON)")
    command.add_argument("--chunking", choices=("default", "fixed", "hierarchical", "semantic", "none"))
    command.add_argument("--max-tokens", type=int, metavar="N", help="size of a chunk (default 300)")
    command.add_argument("--overlap", type=int, metavar="PERCENT", help="of fixed chunks (default 20)")
    command.add_argument("--search", choices=("hybrid", "semantic"))
    command.add_argument("--results", type=int, metavar="N", help="passages a question (default 5)")
    command.add_argument("--reranker", metavar="MODEL", help="such as cohere.rerank-v3-5:0 (default none)")
    command.add_argument("--model", help="that answers")
    command.add_argument("--embedding", metavar="MODEL", help="that the documents are embedded with")
    command.add_argument("--no-answers", action="store_true", help="measure retrieval alone")
    command.add_argument(
        "--endpoint", metavar="URL", help="a running stack (default: a private one, deleted afterwards)"
    )
    command.add_argument("--role", default="arn:aws:iam::000000000000:role/outcrop-eval", metavar="ARN")
    command.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    command.add_argument("--html", type=Path, metavar="OUT", help="write a report for a browser, in one file")
    command.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="CONDITION",
        help="such as 'page@5>=0.9': exit with 1 unless every configuration meets it; repeatable",
    )
    command.set_defaults(run=_evaluate)


def _evaluate(settings: Settings, options: argparse.Namespace) -> int:
    from outcrop.evaluation import configurations, questions, report, requirements

    asked = questions.load(options.questions)
    required = [requirements.parse(text) for text in options.require]
    given = {name: value for name in _OPTIONS if (value := getattr(options, name)) is not None}
    compared = (
        configurations.load(options.config, given)
        if options.config
        else [configurations.Configuration(name=given.get("chunking", "default"), **given)]
    )
    if not options.documents.is_dir():
        raise ValueError(f"{options.documents} is no folder")
    with ExitStack() as stack:
        runs = _runs(_evaluation(settings, options, stack), options, asked, compared, required)
    print(report.table(runs))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(runs), ensure_ascii=False, indent=1), encoding="utf-8")
    if options.html:
        title = f"{options.questions.name} over {options.documents.name}"
        options.html.write_text(report.as_html(runs, title), encoding="utf-8")
    complaints = [f"{run.configuration.name}: {complaint}" for run in runs for complaint in run.complaints]
    for complaint in complaints:
        print(f"outcrop: not met: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _evaluation(settings: Settings, options: argparse.Namespace, stack: ExitStack) -> Evaluation:
    from outcrop.evaluation.asking import Evaluation

    endpoint = options.endpoint or _private_stack(settings, stack)
    evaluation = Evaluation(
        _clients(endpoint, settings.region), settings.region, options.role, settings.page_number_base
    )
    if options.endpoint:
        stack.callback(evaluation.close)
    return evaluation


def _private_stack(settings: Settings, stack: ExitStack) -> str:
    from outcrop.testing import StackProcess

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outcrop-eval-")))
    models = ("--models", str(settings.models)) if settings.models else ()
    return stack.enter_context(StackProcess(folder, *models)).url


def _clients(endpoint: str, region: str) -> Callable[[str], Any]:
    import boto3
    from botocore.config import Config

    session = boto3.Session()
    keys = {} if session.get_credentials() else {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    patient = Config(read_timeout=600, retries={"total_max_attempts": 2})
    return lambda service: session.client(service, endpoint_url=endpoint, region_name=region, config=patient, **keys)


def _runs(
    evaluation: Evaluation,
    options: argparse.Namespace,
    asked: Sequence[Question],
    compared: Sequence[Configuration],
    required: Sequence[Requirement],
) -> list[Run]:
    from outcrop.evaluation.report import Run
    from outcrop.evaluation.scores import judge, summarize

    print(f"{evaluation.upload(options.documents)} files, {len(asked)} questions", file=sys.stderr)
    bases: dict[object, Base] = {}
    runs = []
    for configuration in compared:
        if configuration.base not in bases:
            bases[configuration.base] = evaluation.ingest(configuration)
        base = bases[configuration.base]
        for warning in base.warnings:
            print(f"! {warning}", file=sys.stderr)
        outcomes = []
        for outcome in evaluation.ask(base, configuration, asked, answers=not options.no_answers):
            outcome.marks = judge(outcome)
            outcomes.append(outcome)
        summary = summarize(outcomes)
        complaints = [complaint for one in required if (complaint := one.complaint(summary))]
        runs.append(Run(configuration, base, outcomes, summary, complaints))
    return runs
