"""Parsing by a model that sees, behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.journeys.bases import REGION, Base

from outcrop.testing import StackProcess

MODEL = f"arn:aws:bedrock:{REGION}::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"
SEEN = "# Rainfall\n\nThe chart shows 41 millimetres of rain in Bergen on Tuesday.\n"


class Eyes(BaseHTTPRequestHandler):
    """Sees a chart in the first picture, and is blind from then on."""

    pictures: list[str]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        parts = request["messages"][-1]["content"]
        self.pictures.append(next(part["image_url"]["url"] for part in parts if part["type"] == "image_url"))
        if len(self.pictures) > 1:
            self.send_response(400)
            self.end_headers()
            self.wfile.write(b'{"error": {"message": "too dark"}}')
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for delta, reason in (({"content": SEEN}, None), ({}, "stop")):
            event = {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def pictures() -> Iterator[tuple[str, list[str]]]:
    """The endpoint's URL, and the pictures that it was shown."""
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Eyes,), {"pictures": seen}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1#eyes", seen
    server.shutdown()
    server.server_close()
    thread.join()


def pdf(text: str) -> bytes:
    content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(body)
    body += b"xref\n0 6\n0000000000 65535 f \n" + table + b"trailer<</Size 6/Root 1 0 R>>\n"
    return body + b"startxref\n%d\n%%%%EOF" % start


def parsing(strategy: str = "BEDROCK_FOUNDATION_MODEL", **more: object) -> dict:
    return {"vectorIngestionConfiguration": {"parsingConfiguration": {"parsingStrategy": strategy, **more}}}


def test_a_model_reads_pages(pictures: tuple[str, list[str]], tmp_path: Path):
    url, shown = pictures
    with StackProcess(tmp_path, "--llm", url) as stack:
        base = Base(stack, **parsing(bedrockFoundationModelConfiguration={"modelArn": MODEL}))
        base.put("a-chart.pdf", pdf("The first page says apples."))
        base.sync()
        assert shown[0].startswith("data:image/png;base64,")
        (result,) = base.retrieve("How much did it rain in Bergen?")
        assert "41 millimetres" in result["content"]["text"]
        assert result["metadata"]["x-amz-bedrock-kb-document-page-number"] == 1.0
        base.put("dark.pdf", pdf("The second page says plums."))
        job = base.sync()
        assert job["statistics"]["numberOfNewDocumentsIndexed"] == 1
        assert "plums" in base.retrieve("plums")[0]["content"]["text"]


def test_without_a_model_that_sees_the_default_parser_reads(outcrop_stack: StackProcess):
    base = Base(outcrop_stack, **parsing(bedrockFoundationModelConfiguration={"modelArn": MODEL}))
    base.put("chart.pdf", pdf("The page says apples."))
    picture = base.put("photo.png", b"not really")
    job = base.sync()
    assert job["statistics"]["numberOfNewDocumentsIndexed"] == 1
    assert "can't read it" in base.document(picture)["statusReason"]
    assert "apples" in base.retrieve("apples")[0]["content"]["text"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (parsing("BEDROCK_DATA_AUTOMATION"), "isn't available in Outcrop"),
        (parsing("SMART_PARSING"), "only for managed"),
        (parsing(), "bedrockFoundationModelConfiguration is required"),
        (
            parsing(bedrockFoundationModelConfiguration={"modelArn": MODEL.replace("claude-3-haiku", "claude-nine")}),
            "does not exist",
        ),
        (
            parsing(
                bedrockFoundationModelConfiguration={
                    "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/amazon.titan-text-express-v1"
                }
            ),
            "takes no images",
        ),
    ],
)
def test_parsers_that_are_not_there_are_refused(outcrop_stack: StackProcess, source: dict, message: str):
    with pytest.raises(ClientError, match=message) as caught:
        Base(outcrop_stack, **source)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
