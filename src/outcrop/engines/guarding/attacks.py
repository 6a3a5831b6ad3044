"""Prompts that try to talk a model out of its instructions, by the phrases that such prompts use.

These are patterns, no classifier: a new wording passes. Levels are how sure a pattern is: 3 of the plainest attempts.
"""

from __future__ import annotations

from typing import Any

from outcrop.engines.linear_regex import compiled

_RULES = r"(?:instructions?|prompts?|rules|guidelines|directions|directives|constraints|restrictions|guardrails)"
_ANY = r"(?:(?:all|any|every|the|of|these|those)\s+){0,4}"
_EARLIER = rf"{_ANY}(?:(?:your|my|our|previous|prior|preceding|earlier|above|initial|original|system|safety)\s+){{1,4}}"
_PATTERNS = (
    (3, rf"(?i)\b(?:ignore|disregard|forget|override|bypass|neglect)\s+{_EARLIER}{_RULES}"),
    (
        3,
        r"(?i)\b(?:ignore|disregard|forget) (?:everything|all) "
        r"(?:above|before|that (?:came|was said) before|you (?:were|have been) told)",
    ),
    (
        3,
        r"(?i)\b(?:reveal|show|print|repeat|output|tell|give|display|leak)\s+(?:me\s+|us\s+)?(?:the\s+|all\s+)?"
        r"(?:(?:your|system|hidden|initial|above|previous|secret)\s+){1,3}(?:prompt|instructions)\b",
    ),
    (3, r"(?i)\byou are (?:now )?(?:DAN\b|in developer mode|jailbroken|no longer (?:bound|restricted))"),
    (2, r"(?i)\b(?:do anything now|developer mode (?:enabled|on)|jailbreak mode|DAN mode)\b"),
    (
        2,
        r"(?i)\b(?:pretend|act as if|imagine|roleplay)\b.{0,60}\b(?:no|without(?: any)?) "
        r"(?:rules|restrictions|filters?|limits|guidelines)\b",
    ),
    (2, rf"(?i)\b(?:you (?:don't|do not|must not) (?:have to )?(?:follow|obey)|stop following)\s+{_EARLIER}{_RULES}"),
    (1, r"(?i)\bwhat (?:is|are|were) your (?:system prompt|initial (?:instructions|prompt)|hidden instructions)\b"),
    (1, r"(?i)\b(?:new|updated) (?:system )?instructions?\s*:"),
)


class Attacks:
    def __init__(self) -> None:
        self._patterns: list[tuple[int, Any]] | None = None

    def level(self, text: str) -> int:
        """0: none was found; 1 to 3: perhaps, probably, plainly an attack."""
        if self._patterns is None:
            self._patterns = [(level, compiled(pattern)) for level, pattern in _PATTERNS]
        return max((level for level, pattern in self._patterns if pattern.search(text)), default=0)
