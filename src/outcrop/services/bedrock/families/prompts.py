"""Prompts written in a family's template, back into messages."""

from __future__ import annotations

import re
from typing import Any

_LLAMA3 = re.compile(r"<\|(?:start_header_id|header_start)\|>\s*(\w+)\s*<\|(?:end_header_id|header_end)\|>")
_LLAMA3_MARKS = re.compile(r"<\|(?:begin_of_text|eot_id|eot|end_of_text|eom_id|image|python_tag)\|>")
_INST = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=\[INST\]|\Z)", re.DOTALL)
_SYS = re.compile(r"<<SYS>>(.*?)<</SYS>>", re.DOTALL)


def conversation(turns: list[tuple[str, str]], whole: str) -> dict[str, Any]:
    """Converse's `system` and `messages` from (role, text) turns: roles in a row are joined, empty turns left out;
    the whole prompt is the user's where no turn is his."""
    system = "\n\n".join(text for role, text in turns if role == "system" and text)
    messages: list[dict[str, Any]] = []
    for role, text in turns:
        if role == "system" or not text:
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"].append({"text": text})
        elif messages or role == "user":
            messages.append({"role": role, "content": [{"text": text}]})
    if not messages:
        messages = [{"role": "user", "content": [{"text": whole}]}]
    return {"messages": messages, **({"system": [{"text": system}]} if system else {})}


def llama(prompt: str) -> dict[str, Any]:
    """Llama 3 and 4 headers, Llama 2's [INST]; a plain prompt is the user's."""
    parts = _LLAMA3.split(prompt)
    if len(parts) < 3:
        return instructions(prompt)
    names = {"system": "system", "assistant": "assistant"}
    turns = [
        (names.get(role, "user"), _LLAMA3_MARKS.sub("", text).strip())
        for role, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
    return conversation(turns, prompt)


def instructions(prompt: str) -> dict[str, Any]:
    """`<s>[INST] <<SYS>>…<</SYS>> … [/INST] … </s>` of Llama 2 and Mistral."""
    bare = prompt.replace("<s>", "").replace("</s>", "")
    turns: list[tuple[str, str]] = []
    system = _SYS.search(bare)
    if system:
        turns.append(("system", system[1].strip()))
        bare = bare[: system.start()] + bare[system.end() :]
    for asked, answered in _INST.findall(bare):
        turns += [("user", asked.strip()), ("assistant", answered.strip())]
    if len(turns) <= (1 if system else 0):
        turns.append(("user", bare.replace("[INST]", "").replace("[/INST]", "").strip()))
    return conversation(turns, prompt)


def marked(prompt: str, user: str, assistant: str) -> dict[str, Any]:
    """Turns that begin with a mark, such as `User:` and `Bot:` at the beginning of a line."""
    pattern = re.compile(rf"(?:^|\n)\s*({re.escape(user)}|{re.escape(assistant)})")
    parts = pattern.split(prompt)
    turns = [("user", parts[0].strip())]
    for mark, text in zip(parts[1::2], parts[2::2], strict=True):
        turns.append(("user" if mark == user else "assistant", text.strip()))
    return conversation(turns, prompt)
