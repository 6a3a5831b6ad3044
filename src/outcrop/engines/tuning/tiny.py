"""A language model small enough to be made here in a minute, from the course's own text: `tiny-course`.

A Llama of about a million parameters with its own byte-level tokenizer, trained on the text and on questions that its
headings and its glossary answer. The same text gives the same weights. It knows a few
phrases of its course and nothing else: it is there so that training, deploying and serving are real without a
download. Runs in child processes.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.processes.talker import Channel

NAME = "tiny-course"
VERSION = 1
"""Part of the directory's name: another recipe makes another model."""

_VOCABULARY = 2048
_CONTEXT = 512
_SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_TERM = re.compile(r"^\*\*(?P<term>[^*]+?)\.\*\*\s+(?P<meaning>.+?)(?:\s*\(\d+\))?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long it is trained, and on what."""

    steps: int = 400
    batch: int = 8
    length: int = 96
    rate: float = 4e-3
    seed: int = 20


def build(source: Path, target: Path, recipe: Recipe, channel: Channel) -> float:
    """Train and save; answers the last loss. `channel` hears {"step", "steps", "loss"}."""
    import torch

    torch.manual_seed(recipe.seed)
    torch.set_num_threads(1)  # faster for so few numbers, and the same on every machine
    torch.use_deterministic_algorithms(True)
    texts = [path.read_text(encoding="utf-8") for path in sorted(source.glob("*.md"))]
    if not texts:
        raise FileNotFoundError(f"There are no .md files in {source}.")
    tokenizer = _tokenizer(texts)
    model = _model(tokenizer)
    loss = _train(model, _samples(tokenizer, texts, recipe), recipe, channel)
    _save(model, tokenizer, target)
    return loss


def pairs(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Questions that the text's glossary and headings answer."""
    for text in texts:
        for term in _TERM.finditer(text):
            yield f"What is {term['term']}?", term["meaning"]
        for section in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]:
            heading, _, rest = section.partition("\n")
            paragraph = next((part for part in rest.split("\n\n") if part.strip()[:1].isalpha()), "")
            if paragraph:
                yield f"{heading.strip()}?", " ".join(paragraph.split())[:300]


def _tokenizer(texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, special_tokens=list(_SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<|pad|>", eos_token="<|end|>", model_max_length=_CONTEXT
    )
    tokenizer.chat_template = _TEMPLATE
    return tokenizer


def _model(tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=_CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def _samples(tokenizer: Any, texts: Sequence[str], recipe: Recipe) -> Iterator[Any]:
    """Batches without end: half of them running text, half questions with their answers."""
    import torch

    generator = torch.Generator().manual_seed(recipe.seed)
    running = torch.tensor(tokenizer("<|end|>".join(texts))["input_ids"])
    asked = "".join(f"<|user|>{question}<|end|><|assistant|>{answer}<|end|>" for question, answer in pairs(texts))
    asked_tokens = torch.tensor(tokenizer(asked)["input_ids"])
    while True:
        for tokens in (running, asked_tokens):
            starts = torch.randint(0, max(1, len(tokens) - recipe.length), (recipe.batch,), generator=generator)
            yield torch.stack([tokens[start : start + recipe.length] for start in starts.tolist()])


def _train(model: Any, samples: Iterator[Any], recipe: Recipe, channel: Channel) -> float:
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps + 1)
    model.train()
    loss = 0.0
    for step in range(recipe.steps):
        batch = next(samples)
        found = model(input_ids=batch, labels=batch).loss
        found.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        loss = float(found.detach())
        if step % 10 == 0 or step == recipe.steps - 1:
            channel.send(json.dumps({"step": step + 1, "steps": recipe.steps, "loss": round(loss, 4)}).encode())
    return loss


def _save(model: Any, tokenizer: Any, target: Path) -> None:
    """Whole or not at all."""
    staged = target.with_name(target.name + ".new")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    model.save_pretrained(staged, safe_serialization=True)
    tokenizer.save_pretrained(staged)
    shutil.rmtree(target, ignore_errors=True)
    staged.rename(target)


def main(channel: Channel) -> None:
    """The child: {"source", "target", "recipe"} in; progress out, then {"done": LOSS} or {"failed": TEXT}."""
    order = json.loads(channel.receive() or b"{}")
    try:
        loss = build(Path(order["source"]), Path(order["target"]), Recipe(**order["recipe"]), channel)
    except Exception as error:
        channel.send(json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
    else:
        channel.send(json.dumps({"done": loss}).encode())
