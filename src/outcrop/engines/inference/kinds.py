"""How engines of each kind are built."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, cast

from outcrop.engines.inference.engine import EngineDown, EngineUnsupported
from outcrop.engines.inference.failover import Failover
from outcrop.engines.inference.mapping import ENDPOINT, Choice, Target, Task
from outcrop.settings import child_environment

if TYPE_CHECKING:
    from outcrop.engines.embedding import Embedder
    from outcrop.engines.inference.engine import TextEngine
    from outcrop.engines.inference.images import ImageEngine
    from outcrop.engines.inference.openai import Endpoint
    from outcrop.engines.inference.slots import Opened
    from outcrop.engines.inference.tokens import Tokens
    from outcrop.settings import Settings

Builder = Callable[[str, Choice], Any]
"""Makes an engine, light and unopened, from a target's argument and the options of its entry."""

EXTRACTIVE = Choice((Target("extractive"),))
LOCAL_EMBEDDER = Choice((Target("local"),))


class Kinds:
    """Builds what a choice names: by what was provided, else by a plug-in."""

    def __init__(
        self,
        settings: Settings,
        tokens: Callable[[], Awaitable[Tokens]],
        local_embedder: Callable[[], Awaitable[Embedder]],
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._local_embedder = local_embedder
        self._precision = _precision(settings.embedding_precision)
        self._builders: dict[tuple[Task, str], Builder] = {
            ("text", "extractive"): self._extractive,
            ("text", "transformers"): self._transformers,
            ("embedding", "local"): self._minilm,
            ("embedding", ENDPOINT): self._openai_embedder,
            ("image", ENDPOINT): self._openai_images,
            ("image", "diffusers"): self._diffusers,
        }

    def provide(self, task: Task, kind: str, build: Builder) -> None:
        self._builders[task, kind] = build

    def build(self, task: Task, choice: Choice) -> Opened:
        """Raises EngineError where a kind is unknown."""
        engines: list[Any] = []
        for kind, group in groupby(choice.targets, key=lambda target: target.kind):
            arguments = [target.argument for target in group]
            if task == "text" and kind == ENDPOINT:
                engines.append(self._openai(arguments, choice))
            else:
                build = self._builder(task, kind)
                engines.extend(build(argument, choice) for argument in arguments)
        if len(engines) == 1:
            return cast("Opened", engines[0])
        if task != "text":
            raise EngineUnsupported(f"Only text models can have several engines; for {task} name one of {choice}.")
        return Failover(engines)

    def _builder(self, task: Task, kind: str) -> Builder:
        if (task, kind) in self._builders:
            return self._builders[task, kind]
        from importlib.metadata import entry_points

        for point in entry_points(group=f"outcrop.engines.{task}", name=kind):
            return cast("Builder", point.load())
        known = ", ".join(sorted(name for of, name in self._builders if of == task and name != ENDPOINT))
        raise EngineDown(
            f"There is no engine {kind!r} for the task {task!r}. There are URL#MODEL{known and ', '}{known}. "
            "Correct it with `outcrop models map`."
        )

    def _extractive(self, argument: str, choice: Choice) -> TextEngine:
        from outcrop.engines.inference.extractive import Extractive

        return Extractive(self._local_embedder, self._tokens, self._settings.answer_threshold)

    def _transformers(self, argument: str, choice: Choice) -> TextEngine:
        from functools import partial

        from outcrop.engines.inference.transformers import Transformers
        from outcrop.engines.tuning.bases import Bases

        return Transformers(
            str(choice.option("label", argument)),
            partial(Bases(self._settings.cache).find, argument),
            units=int(choice.option("units", 1)),
            memory=self._settings.model_memory,
        )

    def _minilm(self, argument: str, choice: Choice) -> Embedder:
        from outcrop.engines.embedding.minilm import MiniLM

        return MiniLM(self._settings.cache, self._precision)

    def _openai(self, arguments: list[str], choice: Choice) -> TextEngine:
        from outcrop.engines.inference.openai import OpenAI

        return OpenAI(
            [self._endpoint(argument, choice) for argument in arguments],
            self._tokens,
            connect_timeout=float(choice.option("connect_timeout", 5.0)),
            read_timeout=float(choice.option("timeout", 300.0)),
            retries=int(choice.option("retries", 2)),
        )

    def _endpoint(self, argument: str, choice: Choice) -> Endpoint:
        from outcrop.engines.inference.openai import Endpoint

        url, _, model = argument.partition("#")
        return Endpoint(url, model, self._api_key(choice))

    def _openai_embedder(self, argument: str, choice: Choice) -> Embedder:
        from outcrop.engines.embedding.openai import OpenAIEmbedder

        url, _, model = argument.partition("#")
        return OpenAIEmbedder(
            url,
            model,
            self._api_key(choice),
            query_prefix=str(choice.option("query_prefix", "")),
            document_prefix=str(choice.option("document_prefix", "")),
            connect_timeout=float(choice.option("connect_timeout", 10.0)),
            timeout=float(choice.option("timeout", 120.0)),
            tries=int(choice.option("retries", 3)) + 1,
        )

    def _openai_images(self, argument: str, choice: Choice) -> ImageEngine:
        from outcrop.engines.inference.openai_images import OpenAIImages

        return OpenAIImages(
            self._endpoint(argument, choice),
            connect_timeout=float(choice.option("connect_timeout", 5.0)),
            timeout=float(choice.option("timeout", 300.0)),
        )

    def _diffusers(self, argument: str, choice: Choice) -> ImageEngine:
        from outcrop.engines.inference.diffusers import Diffusers

        return Diffusers(argument)

    def _api_key(self, choice: Choice) -> str:
        """As it is written, or from the environment variable that `$NAME` names."""
        given = str(choice.option("api_key", ""))
        if not given.startswith("$"):
            return given or self._settings.llm_api_key
        found = child_environment(given[1:])
        if given[1:] not in found:
            raise EngineDown(f"The key for {choice} is to be read from {given}, which is not set in the environment.")
        return found[given[1:]]


def _precision(name: str) -> Literal["int8", "fp32"]:
    if name not in ("int8", "fp32"):
        raise ValueError(f"OUTCROP_EMBEDDING_PRECISION={name!r}: expected int8 or fp32")
    return "fp32" if name == "fp32" else "int8"
