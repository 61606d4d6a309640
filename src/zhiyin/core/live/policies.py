"""The policy of a session, by its options and its engine. Pure."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from zhiyin.core.live.session import SessionPolicy
from zhiyin.core.segmentation.endpointing import EndpointPolicy
from zhiyin.domain.engine import EngineCapabilities
from zhiyin.domain.live import LiveOptions

_SLACK_S = 0.1  # frames that round a clip up


def policy_for(
    policy: SessionPolicy, options: LiveOptions, can: EngineCapabilities
) -> SessionPolicy:
    """For a session; no clip has more than `can.max_seconds`."""
    if can.streaming:  # it hears nothing twice, so all it is asked for is cheap
        policy = replace(policy, first_partial=0.2, cadence=0.2, window=inf, tail=0.0, ahead=False)
    context = max(policy.context, options.lead_in_s)
    endpoint = replace(
        policy.endpoint, enter=options.threshold, leave=max(0.05, options.threshold - 0.2),
        longest=min(policy.endpoint.longest, can.max_seconds - context - policy.tail - _SLACK_S),
    )  # fmt: skip
    return replace(
        policy, endpoint=_silence(endpoint, options.silence_s), partials=options.partials,
        lead_in=options.lead_in_s, context=context,
    )  # fmt: skip


def _silence(policy: EndpointPolicy, silence_s: float | None) -> EndpointPolicy:
    if silence_s is None:
        return replace(policy, silence=inf, hurry=())
    return replace(policy, silence=silence_s, pause=min(policy.pause, silence_s))
