"""Functions in Java, compiled here against the interfaces that aws-lambda-java-core would bring."""

import json
import os
import shutil
import subprocess
from dataclasses import replace

import pytest
from tests.engines.functions.test_box import boxes_work

from outcrop.engines.functions.box import Boxes
from outcrop.engines.functions.launch import RuntimeMissing

pytestmark = pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK is installed")

CORE = "com.amazonaws.services.lambda.runtime"
INTERFACES = {
    "Context": "String getAwsRequestId(); int getRemainingTimeInMillis(); LambdaLogger getLogger();",
    "LambdaLogger": "void log(String text);",
    "RequestHandler<I, O>": "O handleRequest(I input, Context context);",
    "RequestStreamHandler": (
        "void handleRequest(java.io.InputStream in, java.io.OutputStream out, Context context)"
        " throws java.io.IOException;"
    ),
}
CODE = """
package course;
import com.amazonaws.services.lambda.runtime.*;
import java.util.*;

public class Handlers {
    public static class Question {
        private String text; private int pages; private List<String> books;
        public void setText(String text) { this.text = text; }
        public void setPages(int pages) { this.pages = pages; }
        public void setBooks(List<String> books) { this.books = books; }
    }
    public static class Answer {
        private final String text; private final int[] pages;
        Answer(String text, int[] pages) { this.text = text; this.pages = pages; }
        public String getText() { return text; }
        public int[] getPages() { return pages; }
    }
    public static class Beans implements RequestHandler<Question, Answer> {
        public Answer handleRequest(Question question, Context context) {
            context.getLogger().log("asked " + question.books);
            if (question.pages < 0) throw new IllegalStateException("no such \\"page\\"");
            return new Answer(question.text + "!", new int[] {question.pages, question.pages + 1});
        }
    }
    public static class Maps {
        static int calls = 0;
        public Map<String, Object> count(Map<String, Object> event, Context context) {
            Map<String, Object> answer = new TreeMap<>(event);
            answer.put("calls", ++calls);
            answer.put("left", context.getRemainingTimeInMillis() > 1000);
            answer.put("id", context.getAwsRequestId().length());
            return answer;
        }
        public String exit(String text) { System.exit(3); return text; }
    }
    public static class Streams implements RequestStreamHandler {
        public void handleRequest(java.io.InputStream in, java.io.OutputStream out, Context context)
            throws java.io.IOException { in.transferTo(out); }
    }
}
"""


@pytest.fixture(scope="session")
def classes(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("java"), tmp_path_factory.mktemp("classes")
    files = [source / "Handlers.java"]
    files[0].write_text(CODE)
    for name, methods in INTERFACES.items():
        files.append(source / f"{name.partition('<')[0]}.java")
        files[-1].write_text(f"package {CORE}; public interface {name} {{ {methods} }}")
    subprocess.run(["javac", "--release", "11", "-d", out, *files], check=True)
    return out


@pytest.fixture(params=["box", "plain"])
def boxes(request, tmp_path):
    if request.param == "plain":
        return None
    if not boxes_work():
        pytest.skip("bubblewrap doesn't work here")
    return Boxes(tmp_path / "layers", search_path=os.environ["PATH"], wanted="bubblewrap")


@pytest.fixture
def java(functions, classes):
    def run(handler, event, runtime="java17"):
        spec = functions.spec(f"# {handler}", handler=f"course.Handlers${handler}", timeout_s=30.0, memory_mb=512)
        shutil.copytree(classes, spec.code, dirs_exist_ok=True)
        return functions.run(replace(spec, runtime=runtime), event)

    return run


async def test_handlers_in_java(java, functions):
    outcome = await java("Beans", {"text": "ü\n", "pages": 7, "books": ["a", "b"], "more": None})
    assert json.loads(outcome.payload) == {"text": "ü\n!", "pages": [7, 8]}
    assert "asked [a, b]\n" in functions.owner.text
    failed = await java("Beans", {"pages": -1})
    error = json.loads(failed.payload)
    assert (failed.error_type, error["errorMessage"]) == ("java.lang.IllegalStateException", 'no such "page"')
    assert error["stackTrace"][0].startswith("course.Handlers$Beans.handleRequest(Handlers.java:")
    first = json.loads((await java("Maps::count", {"x": [1, 2.5, True, None, {"y": "z"}]})).payload)
    assert first == {"x": [1, 2.5, True, None, {"y": "z"}], "calls": 1, "left": True, "id": 36}
    assert json.loads((await java("Maps::count", {})).payload)["calls"] == 2
    assert json.loads((await java("Streams", {"as": "it is"})).payload) == {"as": "it is"}
    assert (await java("Maps::exit", "x")).error_type == "Runtime.ExitError"


async def test_handlers_in_java_that_can_not_start(java):
    outcome = await java("Gone", {})
    assert outcome.error_type == "java.lang.ClassNotFoundException"
    assert json.loads(outcome.payload)["errorMessage"] == "Class not found: course.Handlers$Gone"
    assert (await java("Maps::gone", {})).error_type == "java.lang.NoSuchMethodException"
    with pytest.raises(RuntimeMissing, match="no JDK 99"):
        await java("Maps::count", {}, runtime="java99")
