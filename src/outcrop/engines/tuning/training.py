"""Trains an adapter (LoRA) on local weights: the child's side.

in   a `plan.Plan` as JSON
out  {"stage": "processing"}, {"stage": "training", "steps", "tokens", "truncated", "device", "from"}, {"step", "epoch",
     "loss"}, {"validated": LOSS, "step", "epoch"}, then {"done": …} or {"failed": TEXT}

A checkpoint holds all that is needed to go on as if nothing had happened; it is replaced whole.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.engines.tuning.plan import ADAPTER, CHECKPOINT, Plan

if TYPE_CHECKING:
    from outcrop.engines.tuning.examples import Example, Examples
    from outcrop.processes.talker import Channel

_RANK = 16
_SECONDS_BETWEEN_CHECKPOINTS = 30.0


def main(channel: Channel) -> None:
    plan = Plan.loads(channel.receive() or b"{}")
    try:
        _Training(plan, channel).run()
    except Exception as error:
        _say(channel, failed=f"{type(error).__name__}: {error}")


class _Training:
    def __init__(self, plan: Plan, channel: Channel) -> None:
        import torch
        from peft import LoraConfig, get_peft_model

        from outcrop.engines.inference.transformers.host import threads_for
        from outcrop.engines.inference.transformers.loading import context_length, load
        from outcrop.engines.tuning import examples

        self._plan = plan
        self._channel = channel
        _say(channel, stage="processing")
        torch.manual_seed(plan.seed)
        base, self._tokenizer = load(Path(plan.base), training=True)
        torch.set_num_threads(threads_for(base, os.cpu_count() or 1))
        context = min(context_length(base), plan.context or context_length(base))
        self._train = examples.read(Path(plan.train), self._tokenizer, context)
        self._validations = [examples.read(Path(path), self._tokenizer, context) for path in plan.validations]
        adapter = LoraConfig(r=_RANK, lora_alpha=2 * _RANK, target_modules="all-linear", task_type="CAUSAL_LM")
        self._model = get_peft_model(base, adapter)
        self._weights = [weights for weights in self._model.parameters() if weights.requires_grad]
        self._optimizer = torch.optim.AdamW(self._weights, lr=plan.rate)
        self._per_epoch = -(-len(self._train.items) // plan.batch)
        self._step = 0
        self._training: list[tuple[int, int, float]] = []
        self._validation: list[list[tuple[int, int, float]]] = [[] for _ in self._validations]
        self._saved = time.monotonic()

    def run(self) -> None:
        self._resume()
        steps = self._plan.epochs * self._per_epoch
        _say(
            self._channel,
            stage="training",
            steps=steps,
            tokens=self._train.tokens,
            truncated=self._train.truncated + sum(one.truncated for one in self._validations),
            device=str(self._model.device),
            **{"from": self._step},
        )
        while self._step < steps and not self._is_settled():
            epoch, within = divmod(self._step, self._per_epoch)
            self._learn(epoch, self._order(epoch)[within * self._plan.batch : (within + 1) * self._plan.batch])
            self._step += 1
            if within == self._per_epoch - 1:
                self._validate(epoch)
            self._maybe_save(within == self._per_epoch - 1)
        self._finish()

    def _order(self, epoch: int) -> list[int]:
        import torch

        generator = torch.Generator().manual_seed(self._plan.seed + epoch)
        return list(torch.randperm(len(self._train.items), generator=generator).tolist())

    def _learn(self, epoch: int, chosen: list[int]) -> None:
        import torch

        warm = self._plan.warmup
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.rate * (min(1.0, (self._step + 1) / warm) if warm else 1.0)
        self._model.train()
        loss = self._model(**self._batch([self._train.items[at] for at in chosen])).loss
        if not torch.isfinite(loss):
            raise ValueError(f"the loss is {float(loss)} at step {self._step}: try a smaller learning rate")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._training.append((self._step, epoch, float(loss.detach())))
        _say(self._channel, step=self._step, epoch=epoch, loss=self._training[-1][2])

    def _validate(self, epoch: int) -> None:
        import torch

        self._model.eval()
        for at, examples in enumerate(self._validations):
            with torch.inference_mode():
                loss = self._mean_loss(examples)
            self._validation[at].append((self._step - 1, epoch, loss))
            _say(self._channel, validated=loss, step=self._step - 1, epoch=epoch)

    def _mean_loss(self, examples: Examples) -> float:
        """Each token counts the same."""
        total = tokens = 0.0
        size = max(1, self._plan.batch)
        for start in range(0, len(examples.items), size):
            batch = self._batch(examples.items[start : start + size])
            count = float((batch["labels"][:, 1:] >= 0).sum())
            total += float(self._model(**batch).loss) * count
            tokens += count
        return total / tokens

    def _batch(self, items: list[Example]) -> dict[str, Any]:
        from outcrop.engines.tuning.examples import collate

        return collate(items, self._tokenizer.pad_token_id, self._model.device)

    def _is_settled(self) -> bool:
        """Early stopping: the validation loss has not improved by the threshold for so many epochs."""
        patience = self._plan.patience
        if patience is None or not self._validation or self._step % self._per_epoch:
            return False
        losses = [loss for _, _, loss in self._validation[0]]
        return len(losses) > patience and min(losses[-patience:]) > min(losses[:-patience]) - self._plan.threshold

    def _maybe_save(self, epoch_ended: bool) -> None:
        due = time.monotonic() - self._saved > _SECONDS_BETWEEN_CHECKPOINTS
        if epoch_ended or due or self._step % self._plan.checkpoint_steps == 0:
            self._save()

    def _save(self) -> None:
        import torch
        from peft import get_peft_model_state_dict

        state = {
            "step": self._step,
            "adapter": get_peft_model_state_dict(self._model),
            "optimizer": self._optimizer.state_dict(),
            "training": self._training,
            "validation": self._validation,
        }
        path = Path(self._plan.work) / CHECKPOINT
        staged = path.with_suffix(".new")
        with staged.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        staged.rename(path)
        self._saved = time.monotonic()
        _say(self._channel, saved=self._step)

    def _resume(self) -> None:
        import torch
        from peft import set_peft_model_state_dict

        path = Path(self._plan.work) / CHECKPOINT
        if not path.exists():
            return
        state = torch.load(path, map_location=self._model.device, weights_only=True)
        set_peft_model_state_dict(self._model, state["adapter"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._step, self._training = state["step"], list(state["training"])
        self._validation = [list(one) for one in state["validation"]]

    def _finish(self) -> None:
        target = Path(self._plan.work) / ADAPTER
        staged = target.with_name(f"{ADAPTER}.new")
        for path in (staged, target):
            shutil.rmtree(path, ignore_errors=True)
        self._model.save_pretrained(staged, safe_serialization=True)
        from outcrop.engines.inference.transformers.loading import BASE

        (staged / BASE).write_text(json.dumps({"base": self._plan.base}))
        staged.rename(target)
        _say(
            self._channel,
            done={
                "training": self._training,
                "validation": self._validation,
                "tokens": self._train.tokens,
                "truncated": self._train.truncated,
            },
        )


def _say(channel: Channel, **what: Any) -> None:
    channel.send(json.dumps(what).encode())
