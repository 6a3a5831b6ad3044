"""One guardrail over texts: what each policy finds, and what becomes of the texts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from outcrop.engines.guarding.attacks import Attacks
from outcrop.engines.guarding.expressions import Expression
from outcrop.engines.guarding.grounding import grounding, relevance
from outcrop.engines.guarding.match import Match, apart, masked
from outcrop.engines.guarding.personal import Personal
from outcrop.engines.guarding.profanity import PROFANITY
from outcrop.engines.guarding.topics import Topic, Topics
from outcrop.engines.guarding.words import Words

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from outcrop.engines.embedding import Embedder
    from outcrop.services.bedrock.guardrails.store import Guardrail

Source = Literal["INPUT", "OUTPUT"]
Embed = Callable[[], "Awaitable[Embedder]"]

UNIT = 1000
"""Characters of a text unit."""
_LEVELS = ("NONE", "LOW", "MEDIUM", "HIGH")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be judged, and what it is judged against."""

    texts: tuple[str, ...]
    """Each is masked on its own."""
    grounding_source: str = ""
    query: str = ""
    total: int | None = None
    """Characters of all that was sent; the texts' own unless given."""
    images: int = 0


@dataclass(slots=True)
class Verdict:
    """`texts` are what may be used: as they were, masked, or the guardrail's message alone."""

    texts: list[str]
    assessment: dict[str, Any]
    usage: dict[str, int]
    coverage: dict[str, Any]
    blocked: bool = False
    is_masked: bool = False

    @property
    def intervened(self) -> bool:
        return self.blocked or self.is_masked

    @property
    def reason(self) -> str:
        return "Guardrail blocked." if self.blocked else "Guardrail masked." if self.is_masked else "No action."


@dataclass(slots=True)
class _Findings:
    """Of one evaluation, as policies report them."""

    full: bool
    blocked: bool = False
    masks: list[list[Match]] = field(default_factory=list)
    """By text."""

    def report(self, entry: dict[str, Any], found: bool, action: str, told: list[dict[str, Any]]) -> None:
        """`action` is what the configuration says: BLOCK, ANONYMIZE or NONE."""
        if not found and not self.full:
            return
        done = {"BLOCK": "BLOCKED", "ANONYMIZE": "ANONYMIZED"}.get(action, "NONE") if found else "NONE"
        self.blocked |= done == "BLOCKED"
        told.append({**entry, "action": done, "detected": found})


class Assessor:
    """A guardrail's version, its rules made ready. Safe to use again and from several requests at once."""

    def __init__(self, guardrail: Guardrail, embed: Embed) -> None:
        self.guardrail = guardrail
        self._policies = guardrail.policies
        self._embed = embed
        words = self._policies.get("wordPolicy", {})
        self._words = Words(one["text"] for one in words.get("words", ()))
        self._profanity = Words(PROFANITY if words.get("managedWordLists") else ())
        sensitive = self._policies.get("sensitiveInformationPolicy", {})
        self._personal = Personal([one["type"] for one in sensitive.get("piiEntities", ())])
        self._expressions = [Expression(one["name"], one["pattern"]) for one in sensitive.get("regexes", ())]
        self._topics = {
            one["name"]: Topics([Topic(one["name"], one["definition"], tuple(one.get("examples", ())))])
            for one in self._policies.get("topicPolicy", {}).get("topics", ())
        }
        self._attacks = Attacks()

    async def assess(self, source: Source, content: Content, *, full: bool = False) -> Verdict:
        started = time.perf_counter()
        texts = [_SURROGATE.sub("\ufffd", text) for text in content.texts]
        findings = _Findings(full, masks=[[] for _ in texts])
        assessment: dict[str, Any] = {}
        if "topicPolicy" in self._policies:
            assessment["topicPolicy"] = await self._judge_topics(source, texts, findings)
        if "contentPolicy" in self._policies:
            assessment["contentPolicy"] = self._judge_content(source, texts, findings)
        if "wordPolicy" in self._policies:
            assessment["wordPolicy"] = self._judge_words(source, texts, findings)
        if "sensitiveInformationPolicy" in self._policies:
            assessment["sensitiveInformationPolicy"] = self._judge_sensitive(source, texts, findings)
        is_grounded = source == "OUTPUT" and bool(content.grounding_source and content.query)
        if "contextualGroundingPolicy" in self._policies and is_grounded:
            assessment["contextualGroundingPolicy"] = await self._judge_grounding(texts, content, findings)
        assessment = {name: policy for name, policy in assessment.items() if full or any(policy.values())}
        usage, coverage = self._usage(texts, content, is_grounded), _coverage(texts, content)
        assessment["invocationMetrics"] = {
            "guardrailProcessingLatency": round((time.perf_counter() - started) * 1000),
            "usage": usage,
            "guardrailCoverage": coverage,
        }
        verdict = Verdict(texts, assessment, usage, coverage, blocked=findings.blocked)
        if verdict.blocked:
            named = "blockedInputMessaging" if source == "INPUT" else "blockedOutputsMessaging"
            verdict.texts = [self._policies[named]]
        elif any(findings.masks):
            verdict.is_masked = True
            verdict.texts = [masked(text, apart(found)) for text, found in zip(texts, findings.masks, strict=True)]
        return verdict

    async def _judge_topics(self, source: Source, texts: Sequence[str], findings: _Findings) -> dict[str, Any]:
        told: list[dict[str, Any]] = []
        for topic in self._policies["topicPolicy"].get("topics", ()):
            if (action := _action(topic, source)) is not None:
                embedder = await self._embed()
                found = [await self._topics[topic["name"]].find(embedder, text) for text in texts]
                findings.report({"name": topic["name"], "type": "DENY"}, any(found), action, told)
        return {"topics": told}

    def _judge_content(self, source: Source, texts: Sequence[str], findings: _Findings) -> dict[str, Any]:
        """Only attacks are looked for; the other filters are in the guardrail's note."""
        told: list[dict[str, Any]] = []
        for one in self._policies["contentPolicy"].get("filters", ()):
            strength = one["inputStrength" if source == "INPUT" else "outputStrength"]
            action = _action(one, source)
            if one["type"] == "PROMPT_ATTACK" and action is not None and strength != "NONE":
                level = max(map(self._attacks.level, texts), default=0)
                entry = {"type": one["type"], "confidence": _LEVELS[level], "filterStrength": strength}
                findings.report(entry, level + _LEVELS.index(strength) > len(_LEVELS) - 1, action, told)
        return {"filters": told}

    def _judge_words(self, source: Source, texts: Sequence[str], findings: _Findings) -> dict[str, Any]:
        policy = self._policies["wordPolicy"]
        configured = {one["text"]: one for one in policy.get("words", ())}
        found: dict[str, str] = {}
        for text in texts:
            for match in self._words.find(text):
                found.setdefault(match.rule, match.text)
        custom: list[dict[str, Any]] = []
        for word, one in configured.items():
            if (action := _action(one, source)) is not None:
                findings.report({"match": found.get(word, word)}, word in found, action, custom)
        managed: list[dict[str, Any]] = []
        for one in policy.get("managedWordLists", ()):
            if (action := _action(one, source)) is not None:
                for word in dict.fromkeys(match.text for text in texts for match in self._profanity.find(text)):
                    findings.report({"match": word, "type": one["type"]}, True, action, managed)
        return {"customWords": custom, "managedWordLists": managed}

    def _judge_sensitive(self, source: Source, texts: Sequence[str], findings: _Findings) -> dict[str, Any]:
        policy = self._policies["sensitiveInformationPolicy"]
        entities = {one["type"]: action for one in policy.get("piiEntities", ()) if (action := _action(one, source))}
        told: dict[str, list[dict[str, Any]]] = {"piiEntities": [], "regexes": []}
        for text, masks in zip(texts, findings.masks, strict=True):
            for match in self._personal.find(text):
                if (action := entities.get(match.rule)) is not None:
                    findings.report({"match": match.text, "type": match.rule}, True, action, told["piiEntities"])
                    masks += [match] if action == "ANONYMIZE" else []
            for one, expression in zip(policy.get("regexes", ()), self._expressions, strict=True):
                if (action := _action(one, source)) is not None:
                    for match in expression.find(text):
                        entry = {"name": one["name"], "match": match.text, "regex": one["pattern"]}
                        findings.report(entry, True, action, told["regexes"])
                        masks += [match] if action == "ANONYMIZE" else []
        return told

    async def _judge_grounding(self, texts: Sequence[str], content: Content, findings: _Findings) -> dict[str, Any]:
        """Scores are told whether they are enough or not."""
        told: list[dict[str, Any]] = []
        answer = "\n".join(texts)
        for one in self._policies["contextualGroundingPolicy"].get("filters", ()):
            if not one.get("enabled", True):
                continue
            embedder = await self._embed()
            if one["type"] == "GROUNDING":
                score = await grounding(embedder, answer, content.grounding_source, content.query)
            else:
                score = await relevance(embedder, answer, content.query)
            low = score < one["threshold"]
            action = "BLOCKED" if low and one.get("action", "BLOCK") == "BLOCK" else "NONE"
            findings.blocked |= action == "BLOCKED"
            entry = {"type": one["type"], "threshold": one["threshold"], "score": score}
            told.append({**entry, "action": action, "detected": low})
        return {"filters": told}

    def _usage(self, texts: Sequence[str], content: Content, is_grounded: bool) -> dict[str, int]:
        characters = sum(map(len, texts))
        sensitive = self._policies.get("sensitiveInformationPolicy", {})
        judged = characters + len(content.grounding_source) + len(content.query) if is_grounded else 0

        def units(has_policy: object, length: int = characters) -> int:
            return -(-length // UNIT) if has_policy else 0

        return {
            "topicPolicyUnits": units("topicPolicy" in self._policies),
            "contentPolicyUnits": units("contentPolicy" in self._policies),
            "wordPolicyUnits": units("wordPolicy" in self._policies),
            "sensitiveInformationPolicyUnits": units(sensitive.get("piiEntities")),
            "sensitiveInformationPolicyFreeUnits": units(sensitive.get("regexes")),
            "contextualGroundingPolicyUnits": units("contextualGroundingPolicy" in self._policies, judged),
        }


def _action(one: Mapping[str, Any], source: Source) -> str | None:
    """What a rule does on this side: BLOCK, ANONYMIZE, NONE (to tell only), or None where it isn't evaluated."""
    side = "input" if source == "INPUT" else "output"
    if not one.get(f"{side}Enabled", True):
        return None
    return str(one.get(f"{side}Action") or one.get("action") or "BLOCK")


def _coverage(texts: Sequence[str], content: Content) -> dict[str, Any]:
    guarded = sum(map(len, texts))
    covered: dict[str, Any] = {
        "textCharacters": {"guarded": guarded, "total": guarded if content.total is None else content.total}
    }
    if content.images:
        covered["images"] = {"guarded": 0, "total": content.images}
    return covered
