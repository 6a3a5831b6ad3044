"""The diffusers engine on a tiny pipeline with random weights, which the test makes."""

import io
import json

import pytest

from outcrop.engines.inference.diffusers import Diffusers
from outcrop.engines.inference.engine import EngineDown, EngineError
from outcrop.engines.inference.images import Drawing

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("pipeline")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: at for at, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    pipeline = diffusers.StableDiffusionPipeline(
        vae=diffusers.AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            sample_size=16,
        ),
        text_encoder=transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                vocab_size=len(tokens),
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                bos_token_id=len(tokens) - 2,
                eos_token_id=len(tokens) - 1,
            )
        ),
        tokenizer=transformers.CLIPTokenizer(
            str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
        ),
        unet=diffusers.UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 8),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16,
            norm_num_groups=4,
            attention_head_dim=4,
        ),
        scheduler=diffusers.DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder / "tiny")
    return folder / "tiny"


def size(data):
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(data))
    return image.format, image.size


async def test_draw(folder):
    engine = Diffusers(str(folder))
    await engine.open()
    assert engine.name == "diffusers:tiny"
    drawing = Drawing("a cat", negative="a dog", width=64, height=48, count=2, seed=1, steps=2, guidance=5)
    first, second = await engine.draw(drawing)
    assert size(first) == ("PNG", (64, 48))
    assert first != second
    assert await engine.draw(drawing) == [first, second]
    (varied,) = await engine.draw(Drawing("a cat", width=64, height=48, seed=1, steps=4, image=first, format="jpeg"))
    assert size(varied) == ("JPEG", (64, 48))
    (painted,) = await engine.draw(
        Drawing("a cat", width=64, height=48, seed=1, steps=2, image=first, mask=second, strength=1.0)
    )
    assert size(painted) == ("PNG", (64, 48))
    with pytest.raises(EngineError, match="could not draw this"):
        await engine.draw(Drawing("a cat", width=63, height=63, steps=1))
    await engine.aclose()


async def test_open_says_what_is_missing(tmp_path):
    with pytest.raises(EngineDown, match=r"no model_index\.json"):
        await Diffusers(str(tmp_path)).open()
