import asyncio
import json
import shutil
from dataclasses import replace

import pytest
from tests.engines.functions.conftest import until

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node isn't installed")


@pytest.fixture
def node(functions):
    """`await node(event, "index.mjs", "export const handler = …")`"""

    async def run(event, file, code, *, handler="index.handler", more=()):
        spec = functions.spec(f"# {file} {code}", handler=handler)
        for name, text in ((file, code), *more):
            (spec.code / name).parent.mkdir(parents=True, exist_ok=True)
            (spec.code / name).write_text(text)
        return await functions.run(replace(spec, runtime="nodejs20.x"), event)

    return run


MODULE = """
    export const handler = async (event, context) => {
      console.log("got", event);
      console.error("two\\nlines");
      if (event === "fail") throw new TypeError("no such chapter");
      return { event, left: context.getRemainingTimeInMillis() > 1000, id: context.awsRequestId.length };
    };
"""


async def test_a_module(node, functions):
    outcome = await node("ü", "index.mjs", MODULE)
    assert json.loads(outcome.payload) == {"event": "ü", "left": True, "id": 36}
    lines = [text for kind, text in functions.owner.events if kind == "line"]
    assert lines[0].endswith("\tINFO\tgot ü\n")
    assert lines[1].endswith("\tERROR\ttwo\nlines\n")
    failed = await node("fail", "index.mjs", MODULE)
    error = json.loads(failed.payload)
    assert (failed.error_type, error["errorType"], error["errorMessage"]) == (
        "TypeError",
        "TypeError",
        "no such chapter",
    )
    assert "index.mjs" in error["trace"][1]
    assert json.loads((await node(1, "index.mjs", MODULE)).payload)["event"] == 1
    assert functions.host.environments == 1


async def test_commonjs_with_a_callback(node):
    code = "exports.handler = (event, context, callback) => setTimeout(() => callback(null, [event]), 10)"
    assert json.loads((await node(1, "index.js", code)).payload) == [1]
    code = "exports.handler = (event, context, callback) => callback(new Error('no'))"
    assert json.loads((await node(1, "lib/app.js", code, handler="lib/app.handler")).payload)["errorMessage"] == "no"


async def test_a_handler_that_answers_nothing(node):
    for code in ("exports.handler = () => 'ignored, as on AWS'", "exports.handler = async () => {}"):
        assert (await node(1, "index.js", code)).payload == b"null"
    code = "exports.handler = (event, context) => { setTimeout(() => context.succeed('later'), 20) }"
    assert (await node(1, "index.js", code)).payload == b'"later"'


async def test_packages_of_the_function_are_found(node):
    code = "import x from 'x'; export const handler = async () => x"
    more = (("node_modules/x/index.js", "module.exports = 7"),)
    assert json.loads((await node(1, "index.mjs", code, more=more)).payload) == 7


async def test_a_streaming_handler(node):
    code = """
        export const handler = awslambda.streamifyResponse(async (event, stream) => {
          stream.setContentType("text/plain");
          stream.write("a"); stream.write("b"); stream.end();
        });
    """
    outcome = await node(1, "index.mjs", code)
    assert (outcome.payload, outcome.content_type) == (b"ab", "text/plain")


@pytest.mark.parametrize(
    ("handler", "code", "kind", "message"),
    [
        ("gone.handler", "", "Runtime.ImportModuleError", "Cannot find module"),
        ("index.gone", "export const x = 1", "Runtime.HandlerNotFound", "index.gone is undefined or not exported"),
        ("index.x", "export const x = 1", "Runtime.HandlerNotFound", "index.x is not a function"),
        ("index.handler", "import y from 'nothing'", "Runtime.ImportModuleError", "Cannot find package 'nothing'"),
        ("index.handler", "export const (", "Runtime.UserCodeSyntaxError", "SyntaxError"),
        ("index.handler", "throw new RangeError('at init')", "RangeError", "at init"),
        ("index", "", "Runtime.MalformedHandlerName", "Bad handler"),
    ],
)
async def test_a_failed_start(node, functions, handler, code, kind, message):
    outcome = await node(1, "index.mjs", code, handler=handler)
    assert outcome.error_type == kind
    assert message in json.loads(outcome.payload)["errorMessage"]
    await until(lambda: functions.host.environments == 0)


async def test_a_rejection_that_nobody_handles(node, functions):
    code = "export const handler = () => { Promise.reject('lost'); return new Promise(() => {}) }"
    outcome = await node(1, "index.mjs", code)
    assert outcome.error_type == "Runtime.UnhandledPromiseRejection"
    await until(lambda: functions.host.environments == 0)


async def test_an_exit(node):
    outcome = await node(1, "index.mjs", "export const handler = async () => process.exit(4)")
    assert b"exit status 4" in outcome.payload


async def test_concurrent_invocations(node):
    code = "export const handler = async (e) => { await new Promise((r) => setTimeout(r, 200)); return process.pid }"
    outcomes = await asyncio.gather(*(node(1, "index.mjs", code) for _ in range(3)))
    assert len({outcome.payload for outcome in outcomes}) == 3
