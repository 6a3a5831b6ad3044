import pytest

from outcrop.engines.inference.models import Models
from outcrop.services.bedrock.catalogue import Catalogue
from outcrop.services.bedrock.catalogue.targets import Targets
from outcrop.services.bedrock.converse.conversations import Conversations
from outcrop.services.bedrock.converse.media import Media
from outcrop.services.bedrock.guardrails.applying import Assessors
from outcrop.services.bedrock.guardrails.guardrails import Guardrails
from outcrop.services.bedrock.guardrails.guards import Guards
from outcrop.services.bedrock.guardrails.store import GuardrailStore
from outcrop.services.bedrock.runtime.calls import Calls, Usage
from outcrop.services.bedrock.runtime.runs import Runs
from outcrop.services.bedrock.runtime.upstream import Upstream
from outcrop.services.bedrock.store import BedrockStore
from outcrop.services.contract import Context, Principal, ThrottlingException, ValidationException
from outcrop.settings import Settings
from outcrop.storage import Database
from outcrop.testing.llm import Reply, ScriptedEndpoint

CTX = Context("000000000000", "us-east-1", Principal("arn:aws:iam::000000000000:root", "0"), "request-1", None)
MODEL = "amazon.nova-lite-v1:0"


class Watcher:
    wants_output = True

    def __init__(self):
        self.refuses = False
        self.admitted, self.settled = [], []

    async def admit(self, call):
        self.admitted.append((call.operation, call.generation.max_tokens))
        if self.refuses:
            raise ThrottlingException("Too many requests, please wait before trying again.")

    async def settle(self, call):
        self.settled.append(call)


@pytest.fixture
async def watched(tmp_path):
    """`conversations, watcher` over an endpoint that gives these replies."""
    opened = []

    async def make(*replies):
        endpoint = await ScriptedEndpoint(*replies).__aenter__()
        settings = Settings(data=tmp_path, llm=(f"{endpoint.url}#test",))
        models = Models(settings)
        opened.extend([endpoint.__aexit__, lambda *_: models.aclose()])
        watcher = Watcher()
        store = BedrockStore(Database(tmp_path / "bedrock.sqlite"))
        calls = Calls(Targets(Catalogue(), store, models, strict=False), [watcher])
        guardrails = Guardrails(GuardrailStore(Database(tmp_path / "guardrails.sqlite")), store, strict=False)
        guards = Guards(Assessors(guardrails, models))
        return Conversations(calls, Upstream(models), Runs(models), Media(), guards), watcher

    yield make
    for close in reversed(opened):
        await close(None, None, None)


def ask(model=MODEL):
    messages = [{"role": "user", "content": [{"text": "Hi"}]}]
    return {"modelId": model, "messages": messages, "inferenceConfig": {"maxTokens": 9}}


async def test_a_call_is_settled_once_with_its_usage(watched):
    conversations, watcher = await watched(Reply(["Hel", "lo"], usage=(5, 2)))
    answer = await conversations.converse(CTX, ask())
    assert watcher.admitted == [("Converse", 9)]
    (call,) = watcher.settled
    assert call.usage == Usage(input_tokens=5, output_tokens=2)
    assert (call.error, call.target.key) == (None, MODEL)
    assert call.output == answer
    assert call.latency_ms >= 0


async def test_a_stream_is_settled_when_it_ends(watched):
    conversations, watcher = await watched(Reply(["Hel", "lo"], usage=(5, 2)))
    stream = (await conversations.converse_stream(CTX, ask()))["stream"]
    assert watcher.settled == []
    events = [event async for event in stream]
    await stream.aclose()
    (call,) = watcher.settled
    assert call.usage == Usage(input_tokens=5, output_tokens=2)
    assert call.output == events
    assert call.latency_ms >= call.first_ms


async def test_a_stream_that_the_client_leaves_is_charged_for_what_was_written(watched):
    conversations, watcher = await watched(Reply(["one ", "two ", "three "], delay=0.02))
    stream = (await conversations.converse_stream(CTX, ask()))["stream"]
    await anext(stream)
    await anext(stream)
    await stream.aclose()
    (call,) = watcher.settled
    assert call.usage.input_tokens > 0
    assert call.usage.output_tokens == 1


async def test_failures_are_settled_too(watched):
    conversations, watcher = await watched(Reply(status=400, error="no"), Reply(["a"], finish=None))
    with pytest.raises(Exception, match="answered 400") as raised:
        await conversations.converse(CTX, ask())
    stream = (await conversations.converse_stream(CTX, ask()))["stream"]
    with pytest.raises(Exception, match="without saying why") as broken:
        [event async for event in stream]
    assert [call.error for call in watcher.settled] == [raised.value, broken.value]
    assert watcher.settled[0].usage is None


async def test_a_watcher_refuses_before_the_engine_is_asked(watched):
    conversations, watcher = await watched(Reply())
    watcher.refuses = True
    for operation in (conversations.converse, conversations.converse_stream):
        with pytest.raises(ThrottlingException):
            await operation(CTX, ask())
    assert [call.error.code for call in watcher.settled] == ["ThrottlingException"] * 2


async def test_what_names_no_model_is_no_call(watched):
    conversations, watcher = await watched(Reply())
    with pytest.raises(ValidationException):
        await conversations.converse(CTX, ask("nothing"))
    assert (watcher.admitted, watcher.settled) == ([], [])
