"""The policy of a session, by its options and its engine. Pure."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from zhiyin.core.live.context import ContextPolicy
from zhiyin.core.live.session import SessionPolicy
from zhiyin.core.segmentation.endpointing import EndpointPolicy
from zhiyin.domain.engine import EngineCapabilities
from zhiyin.domain.live import LiveOptions

_SLACK_S = 0.1  # frames that round a clip up


def policy_for(
    policy: SessionPolicy, options: LiveOptions, can: EngineCapabilities
) -> SessionPolicy:
    """For a session; no clip has more than `can.max_seconds`."""
    if can.streaming:  # it decodes nothing twice, so requests are cheap
        policy = replace(
            policy, first_partial_s=0.2, cadence_s=0.2, window_s=inf, ahead=False,
            context=ContextPolicy(before_s=0.0),
        )  # fmt: skip
    context_s = max(policy.context_s, options.lead_in_s)
    longest_s = can.max_seconds - context_s - _SLACK_S
    endpoint = replace(
        policy.endpoint, enter=options.threshold, leave=max(0.05, options.threshold - 0.2),
        longest_s=min(policy.endpoint.longest_s, longest_s),
    )  # fmt: skip
    return replace(
        policy, endpoint=_silence(endpoint, options.silence_s), partials=options.partials,
        lead_in_s=options.lead_in_s, context_s=context_s,
    )  # fmt: skip


def _silence(policy: EndpointPolicy, silence_s: float | None) -> EndpointPolicy:
    if silence_s is None:
        return replace(policy, silence_s=inf, hurry_s=())
    return replace(policy, silence_s=silence_s, pause_s=min(policy.pause_s, silence_s))
