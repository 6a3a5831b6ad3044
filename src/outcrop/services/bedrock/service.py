"""Binds `bedrock` (models and profiles) and `bedrock-runtime` (inference)."""

from __future__ import annotations

from collections.abc import Callable

from outcrop.services.bedrock.async_invokes.invokes import AsyncInvokes
from outcrop.services.bedrock.catalogue import Catalogue
from outcrop.services.bedrock.catalogue.agreements import Agreements
from outcrop.services.bedrock.catalogue.foundation_models import FoundationModels
from outcrop.services.bedrock.catalogue.inference_profiles import InferenceProfiles
from outcrop.services.bedrock.catalogue.targets import Targets
from outcrop.services.bedrock.converse.conversations import Conversations
from outcrop.services.bedrock.converse.media import Media
from outcrop.services.bedrock.guardrails.applying import Applying, Assessors
from outcrop.services.bedrock.guardrails.guardrails import Guardrails
from outcrop.services.bedrock.guardrails.guards import Guards
from outcrop.services.bedrock.guardrails.store import GuardrailStore
from outcrop.services.bedrock.invoke.embeddings import Embeddings
from outcrop.services.bedrock.invoke.invocations import Invocations
from outcrop.services.bedrock.invoke.pictures import Pictures
from outcrop.services.bedrock.invoke.reranking import Reranking
from outcrop.services.bedrock.ledger.ledger import Ledger
from outcrop.services.bedrock.ledger.store import DATABASE as LEDGER
from outcrop.services.bedrock.ledger.store import LedgerStore
from outcrop.services.bedrock.own_models import OwnModels
from outcrop.services.bedrock.reporting.invocation_log import InvocationLog
from outcrop.services.bedrock.reporting.logging_config import DATABASE as LOGGING
from outcrop.services.bedrock.reporting.logging_config import LoggingConfigs
from outcrop.services.bedrock.reporting.metrics import Metrics
from outcrop.services.bedrock.reporting.throttling import Throttle
from outcrop.services.bedrock.runtime.calls import Calls
from outcrop.services.bedrock.runtime.runs import Runs
from outcrop.services.bedrock.runtime.token_counts import TokenCounts
from outcrop.services.bedrock.runtime.upstream import Upstream
from outcrop.services.bedrock.store import BedrockStore
from outcrop.services.bedrock.tags import Tags
from outcrop.services.contract import Context, Deps, Principal, Service


def services(deps: Deps) -> tuple[Service, ...]:
    catalogue = Catalogue()
    store = BedrockStore(deps.database("bedrock"))
    tags = Tags(store)
    targets = Targets(catalogue, store, deps.models, deps.settings.strict)
    profiles = InferenceProfiles(catalogue, store)
    targets.add(profiles.resolve)
    tags.owns(profiles.exists)
    own = OwnModels(deps, catalogue, store, targets, tags)
    guardrails = Guardrails(GuardrailStore(deps.database("guardrails")), store, strict=deps.settings.strict)
    tags.owns(guardrails.exists)
    assessors = Assessors(guardrails, deps.models)
    guards = Guards(assessors)
    ledger = Ledger(LedgerStore(deps.database(LEDGER, durable=False)))
    context = _own_context(deps)
    configs = LoggingConfigs(deps.database(LOGGING), context)
    invocation_log, metrics = InvocationLog(configs, context), Metrics(context)
    calls = Calls(targets, (Throttle(deps.settings.throttle), ledger, invocation_log, metrics))
    runs = Runs(deps.models, deps.settings.strict)
    upstream = Upstream(deps.models)
    media = Media()
    invokes = AsyncInvokes(calls, store, deps.models, deps.jobs, deps.context)
    tags.owns(invokes.exists)

    async def stop() -> None:
        await media.aclose()
        await metrics.aclose()
        await invocation_log.aclose()

    return (
        Service(
            "bedrock",
            FoundationModels(catalogue, store),
            profiles,
            Agreements(catalogue, store),
            guardrails,
            configs,
            tags,
            *own.resources,
        ),
        Service(
            "bedrock-runtime",
            Conversations(calls, upstream, runs, media, guards),
            Invocations(
                calls,
                upstream,
                runs,
                Embeddings(deps.models),
                Reranking(deps.models),
                Pictures(deps.models),
                media,
                guards,
            ),
            TokenCounts(targets, upstream, runs, media),
            invokes,
            Applying(assessors, strict=deps.settings.strict),
            on_stop=stop,
        ),
    )


def _own_context(deps: Deps) -> Callable[[str, str], Context]:
    """Bedrock itself, writing metrics and logs."""
    principal = Principal("bedrock.amazonaws.com", "bedrock", kind="service")
    return lambda account, region: deps.context(account, region, principal)
