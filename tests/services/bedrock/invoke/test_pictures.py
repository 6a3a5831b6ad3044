"""Models that draw, over an OpenAI-compatible images endpoint of the test's own."""

import asyncio
import base64
import json

import pytest

from outcrop.services.bedrock.errors import ModelErrorException, ServiceUnavailableException
from outcrop.services.contract import ThrottlingException, ValidationException

SD3 = "stability.sd3-5-large-v1:0"
SDXL = "stability.stable-diffusion-xl-v1"
TITAN = "amazon.titan-image-generator-v2:0"
CANVAS = "amazon.nova-canvas-v1:0"


class Images:
    """Answers each request with as many images as it asks for, numbered."""

    def __init__(self):
        self.requests = []
        self.status, self.answer = 200, None
        self.by_url = False

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        path = head.split()[1]
        if path == "/file":
            answer = b"from a URL"
        else:
            self.requests.append((path, body if b"multipart" in fields["content-type"].encode() else json.loads(body)))
            answer = self.answer or self.images(self.requests[-1][1])
        writer.write(
            f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(answer)}\r\nconnection: close\r\n\r\n".encode() + answer
        )
        await writer.drain()
        writer.close()

    def images(self, request):
        count = request["n"] if isinstance(request, dict) else 1
        images = [base64.b64encode(b"image %d" % at).decode() for at in range(count)]
        if self.by_url:
            return json.dumps({"data": [{"url": self.url.replace("/v1", "/file")}]}).encode()
        return json.dumps({"data": [{"b64_json": image} for image in images]}).encode()


@pytest.fixture
async def drawn(make, tmp_path):
    """`client, endpoint`: Bedrock whose image models an endpoint serves."""
    async with Images() as endpoint:
        file = tmp_path / "images.toml"
        file.write_text(f'[image]\n"*" = "{endpoint.url}#sdxl"\n')
        yield make(models=file), endpoint


def decoded(images):
    return [base64.b64decode(image) for image in images]


async def test_stability(drawn):
    client, endpoint = drawn
    body = {"prompt": "A fox", "aspect_ratio": "16:9", "seed": 7, "negative_prompt": "snow", "output_format": "jpeg"}
    answer = await client.invoke(SD3, body)
    assert answer["seeds"] == [7]
    assert answer["finish_reasons"] == [None]
    assert decoded(answer["images"]) == [b"image 0"]
    assert client.notes["served-by"].startswith("openai:sdxl@127.0.0.1")
    path, sent = endpoint.requests[0]
    assert path == "/v1/images/generations"
    assert sent == {
        "model": "sdxl",
        "prompt": "A fox",
        "n": 1,
        "size": "1344x768",
        "response_format": "b64_json",
        "negative_prompt": "snow",
        "seed": 7,
        "output_format": "jpeg",
    }


async def test_stability_from_an_image(drawn):
    client, endpoint = drawn
    image = base64.b64encode(b"a picture").decode()
    body = {"prompt": "A fox", "mode": "image-to-image", "image": image, "strength": 0.6}
    await client.invoke(SD3, body)
    path, sent = endpoint.requests[0]
    assert path == "/v1/images/edits"
    assert b"a picture" in sent
    assert b"0.6" in sent
    await client.invoke("us.stability.stable-image-inpaint-v1:0", {"prompt": "A fox", "image": image, "mask": image})
    assert endpoint.requests[1][1].count(b"a picture") == 2


async def test_sdxl(drawn):
    client, endpoint = drawn
    prompts = [{"text": "A fox", "weight": 1}, {"text": "snow", "weight": -1}]
    answer = await client.invoke(SDXL, {"text_prompts": prompts, "seed": 3, "cfg_scale": 9, "steps": 20})
    assert answer["result"] == "success"
    (artifact,) = answer["artifacts"]
    assert (artifact["seed"], artifact["finishReason"]) == (3, "SUCCESS")
    assert base64.b64decode(artifact["base64"]) == b"image 0"
    sent = endpoint.requests[0][1]
    assert (sent["prompt"], sent["negative_prompt"]) == ("A fox", "snow")
    assert (sent["guidance_scale"], sent["num_inference_steps"]) == (9, 20)


@pytest.mark.parametrize(("model", "guidance"), [(TITAN, 8.0), (CANVAS, 6.5)])
async def test_amazon(drawn, model, guidance):
    client, endpoint = drawn
    body = {
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": "A fox", "negativeText": "snow"},
        "imageGenerationConfig": {"numberOfImages": 2, "width": 512, "height": 512, "seed": 5},
    }
    answer = await client.invoke(model, body)
    assert answer["error"] is None
    assert decoded(answer["images"]) == [b"image 0", b"image 1"]
    sent = endpoint.requests[0][1]
    assert (sent["size"], sent["n"], sent["seed"], sent["guidance_scale"]) == ("512x512", 2, 5, guidance)


async def test_amazon_varies_and_paints(drawn, png):
    client, endpoint = drawn
    image = base64.b64encode(png(64, 64)).decode()
    variation = {"text": "A fox", "images": [image], "similarityStrength": 0.8}
    await client.invoke(CANVAS, {"taskType": "IMAGE_VARIATION", "imageVariationParams": variation})
    assert b"0.2" in endpoint.requests[0][1]
    pytest.importorskip("PIL")
    painting = {"text": "A fox", "image": image, "maskImage": image}
    await client.invoke(TITAN, {"taskType": "INPAINTING", "inPaintingParams": painting})
    path, sent = endpoint.requests[1]
    assert path == "/v1/images/edits"
    assert b'name="mask"' in sent


async def test_images_may_be_given_as_urls(drawn):
    client, endpoint = drawn
    endpoint.by_url = True
    assert decoded((await client.invoke(SD3, {"prompt": "A fox"}))["images"]) == [b"from a URL"]


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        (SD3, {}, r"#: required key \[prompt\] not found"),
        (SD3, {"prompt": "x", "aspect_ratio": "7:1"}, "#/aspect_ratio: 7:1 is not a valid enum value"),
        (SD3, {"prompt": "x", "mode": "image-to-image"}, r"required key \[image\]"),
        (SD3, {"prompt": "x", "image": "eA=="}, r"required key \[strength\]"),
        (SD3, {"prompt": "x", "image": "!", "strength": 1}, "#/image: not base64"),
        ("us.stability.stable-image-inpaint-v1:0", {"prompt": "x", "image": "eA=="}, "give a mask"),
        ("us.stability.stable-fast-upscale-v1:0", {"image": "eA=="}, "No engine on this machine does what"),
        (SDXL, {"text_prompts": []}, "#/text_prompts: expected minimum item count: 1"),
        (SDXL, {"text_prompts": [{"text": "x", "weight": -1}]}, "weight is not negative"),
        (SDXL, {"text_prompts": [{"text": "x"}], "mask_image": "eA=="}, r"required key \[init_image\]"),
        (TITAN, {"taskType": "SING"}, "#/taskType: SING is not a valid enum value"),
        (TITAN, {"taskType": "TEXT_IMAGE"}, r"required key \[textToImageParams\] not found"),
        (TITAN, {"taskType": "OUTPAINTING", "outPaintingParams": {}}, "does OUTPAINTING. There are TEXT_IMAGE"),
        (
            TITAN,
            {"taskType": "INPAINTING", "inPaintingParams": {"image": "eA==", "maskPrompt": "x"}},
            "give a maskImage",
        ),
        (
            CANVAS,
            {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "x"}, "imageGenerationConfig": {"width": 333}},
            "multiples of 16",
        ),
        (
            CANVAS,
            {"taskType": "IMAGE_VARIATION", "imageVariationParams": {"images": ["eA=="] * 2}},
            "one image at a time",
        ),
    ],
)
async def test_bodies_that_are_refused(drawn, model, body, said):
    client, endpoint = drawn
    with pytest.raises(ValidationException, match=said):
        await client.invoke(model, body)
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (429, b'{"error": {"message": "busy"}}', ThrottlingException),
        (500, b"oops", ServiceUnavailableException),
        (400, b'{"error": "no"}', ModelErrorException),
        (200, b"{}", ModelErrorException),
    ],
)
async def test_failures_of_the_endpoint(drawn, status, answer, error):
    client, endpoint = drawn
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(error):
        await client.invoke(SD3, {"prompt": "A fox"})


async def test_without_an_engine_it_says_how_to_add_one(client):
    with pytest.raises(ValidationException, match=r"No engine on this machine draws images\. Add one: .*--task image"):
        await client.invoke(SD3, {"prompt": "A fox"})


async def test_an_endpoint_that_is_not_there(make, tmp_path):
    file = tmp_path / "images.toml"
    file.write_text('[image]\n"*" = "http://127.0.0.1:9/v1#sdxl"\n')
    with pytest.raises(ServiceUnavailableException, match="can't be reached"):
        await make(models=file).invoke(SD3, {"prompt": "A fox"})
