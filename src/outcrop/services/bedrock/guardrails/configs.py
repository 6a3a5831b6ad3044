"""From what CreateGuardrail is given to what GetGuardrail tells, checked: what can't be enforced here is refused in
strict mode and named in a note otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outcrop.engines.guarding.personal import KINDS
from outcrop.engines.linear_regex import InvalidExpression, compiled
from outcrop.services.contract import ValidationException

_MAX_THRESHOLD = 0.99
_PARTS = {
    "topicPolicy": {"topics": "topicsConfig", "tier": "tierConfig"},
    "contentPolicy": {"filters": "filtersConfig", "tier": "tierConfig"},
    "wordPolicy": {"words": "wordsConfig", "managedWordLists": "managedWordListsConfig"},
    "sensitiveInformationPolicy": {"piiEntities": "piiEntitiesConfig", "regexes": "regexesConfig"},
    "contextualGroundingPolicy": {"filters": "filtersConfig", "tier": "tierConfig"},
}
"""GetGuardrail's names and CreateGuardrail's."""
_UNCHECKED = frozenset({"SEXUAL", "VIOLENCE", "HATE", "INSULTS", "MISCONDUCT"})


def read_policies(request: Mapping[str, Any], account: str, region: str) -> dict[str, Any]:
    """Raises ValidationException."""
    policies: dict[str, Any] = {
        policy: {
            told: request[f"{policy}Config"][given]
            for told, given in parts.items()
            if request[f"{policy}Config"].get(given)
        }
        for policy, parts in _PARTS.items()
        if request.get(f"{policy}Config")
    }
    if request.get("automatedReasoningPolicyConfig"):
        raise ValidationException(
            "Automated reasoning policies can't be evaluated here: nothing on this machine proves statements. Leave "
            "automatedReasoningPolicyConfig out."
        )
    if not any(part for policy in policies.values() for part in policy.values()):
        raise ValidationException(
            "A guardrail needs at least one policy. Add a topic, content, word, sensitive "
            "information or contextual grounding policy and try again."
        )
    _check(policies)
    for message in ("blockedInputMessaging", "blockedOutputsMessaging"):
        policies[message] = request[message]
    if cross := request.get("crossRegionConfig"):
        profile = cross["guardrailProfileIdentifier"].rpartition("/")[2]
        policies["crossRegionDetails"] = {
            "guardrailProfileId": profile,
            "guardrailProfileArn": f"arn:aws:bedrock:{region}:{account}:guardrail-profile/{profile}",
        }
    if key := request.get("kmsKeyId"):
        policies["kmsKeyArn"] = key if key.startswith("arn:") else f"arn:aws:kms:{region}:{account}:key/{key}"
    return policies


def unchecked(policies: Mapping[str, Any]) -> list[str]:
    """What the guardrail asks for and nothing here looks for."""
    found = [
        one["type"]
        for one in policies.get("contentPolicy", {}).get("filters", ())
        if one["type"] in _UNCHECKED and (one["inputStrength"] != "NONE" or one["outputStrength"] != "NONE")
    ]
    entities = policies.get("sensitiveInformationPolicy", {}).get("piiEntities", ())
    return [*found, *(one["type"] for one in entities if one["type"] not in KINDS)]


def refuse_unchecked(kinds: Sequence[str]) -> None:
    """Raises ValidationException, for strict mode."""
    if kinds:
        raise ValidationException(
            f"Nothing on this machine recognises {', '.join(kinds)}: hate, insults, sexual content, violence and "
            "misconduct need a classifier, names and addresses a language model. Leave them out, or run without strict "
            "mode, where they are accepted and not checked."
        )


def _check(policies: Mapping[str, Any]) -> None:
    for fault in _faults(policies):
        raise ValidationException(fault)


def _faults(policies: Mapping[str, Any]) -> Iterator[str]:
    content = policies.get("contentPolicy", {}).get("filters", ())
    grounding = policies.get("contextualGroundingPolicy", {}).get("filters", ())
    sensitive = policies.get("sensitiveInformationPolicy", {})
    yield from _doubled("topics", [one["name"].lower() for one in policies.get("topicPolicy", {}).get("topics", ())])
    yield from _doubled("content filters", [one["type"] for one in content])
    yield from _doubled("contextual grounding filters", [one["type"] for one in grounding])
    yield from _doubled("PII entities", [one["type"] for one in sensitive.get("piiEntities", ())])
    yield from _doubled("regexes", [one["name"] for one in sensitive.get("regexes", ())])
    for one in content:
        if one["type"] == "PROMPT_ATTACK" and one["outputStrength"] != "NONE":
            yield "The output strength of the PROMPT_ATTACK content filter must be NONE: it is for input only."
    for one in grounding:
        if not 0 <= one["threshold"] <= _MAX_THRESHOLD:
            yield f"The threshold of a contextual grounding filter must be between 0 and {_MAX_THRESHOLD}."
    for one in sensitive.get("regexes", ()):
        try:
            compiled(one["pattern"])
        except InvalidExpression as error:
            yield f"The pattern of the regex {one['name']} is invalid: {error}. Look-around is not supported."


def _doubled(what: str, names: Sequence[str]) -> Iterator[str]:
    if len(names) != len(set(names)):
        yield f"The guardrail's {what} must differ from each other: {max(names, key=names.count)} is there twice."
