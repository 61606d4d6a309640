"""Results of the live benches as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.tables import Result, markdown, number


def stream(result: Result) -> str:
    """A line for each number of clients, language and way of ending."""
    columns = ["clients", "language", "frames ms", "ends by", "talks", "final p50 ms", "p95 ms"]
    columns += ["p99 ms", "first partial p95 s", "stable word mean s", "erasure"]
    columns += ["lost tails", "changed finals", "error %", "offline error %", "CPU s per s"]
    return markdown(columns, map(_stream_cells, result["levels"]))


def _stream_cells(level: Mapping[str, Any]) -> list[str]:
    seen = level["seen"]
    final = seen["final_after_commit"] or seen["final_after_silence"]
    return [
        str(level["clients"]),
        level["lang"],
        number(level["frame_ms"], 0),
        level["manner"],
        str(seen["talks"]),
        *(_figure(final, key, 1000, 0) for key in ("p50_s", "p95_s", "p99_s")),
        _figure(seen["first_partial"], "p95_s"),
        _figure(seen["stable_word"], "mean_s"),
        number(seen["erasure"], 2),
        str(seen["lost_tails"]),
        str(seen["changed_finals"]),
        "-" if level["manner"] == "cut" else number(seen["error_percent"], 2),
        "-" if level["manner"] == "cut" else number(level["offline_error_percent"], 2),
        number(level["cpu_s_per_audio_s"], 2),
    ]


def silence(result: Result) -> str:
    """A line for each number of clients and way of ending."""
    columns = ["clients", "ends by", "recordings", "audio s", "characters of text", "errors"]
    return markdown(columns, map(_silence_cells, result["levels"]))


def _silence_cells(level: Mapping[str, Any]) -> list[str]:
    seen = level["seen"]
    return [
        str(level["clients"]),
        level["manner"],
        str(seen["talks"]),
        number(seen["audio_s"], 0),
        str(seen["silent_text"]),
        str(seen["errors"]),
    ]


def voices(result: Result) -> str:
    """A line for each language, half of the voices and form, and one for all forms."""
    groups: dict[tuple[str, str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for line in result["lines"]:
        for form in (line["form"], "all"):
            group = groups.setdefault((line["lang"], line["half"], form), {})
            group.setdefault(line["arm"], []).append(line)
    arms = list(dict.fromkeys(line["arm"] for line in result["lines"]))
    columns = ["language", "voices", "form", "recordings", *(f"{arm} %" for arm in arms)]
    columns += ["live final p50 s", "p95 s"]
    ordered = sorted(groups, key=lambda key: (*key[:2], key[2] == "all"))
    return markdown(columns, ([*key, *_voice_cells(groups[key], arms)] for key in ordered))


def _voice_cells(found: Mapping[str, list[Mapping[str, Any]]], arms: list[str]) -> list[str]:
    rates = [
        100 * sum(x["errors"] for x in found[arm]) / sum(x["units"] for x in found[arm])
        for arm in arms
    ]
    finals = [x["final"] for x in found.get("live", ())]
    one = finals[0] if len(finals) == 1 else None
    count = sum(x["recordings"] for x in found[arms[0]])
    return [
        str(count),
        *(number(rate, 2) for rate in rates),
        _figure(one, "p50_s"),
        _figure(one, "p95_s"),
    ]


def live(result: Result) -> str:
    """A line for each server and number of clients."""
    columns = ["server", "clients", "talks", "first text p50 s", "final p50 s", "p95 s"]
    columns += ["without text", "failed", "error %"]
    return markdown(columns, map(_live_cells, result["levels"]))


def _live_cells(level: Mapping[str, Any]) -> list[str]:
    return [
        level["server"],
        str(level["clients"]),
        str(level["talks"]),
        _figure(level["first"], "p50_s"),
        _figure(level["final"], "p50_s"),
        _figure(level["final"], "p95_s"),
        str(level["silent"]),
        str(level["failed"]),
        number(level["error_percent"], 2),
    ]


def endurance(result: Result) -> str:
    """The long session, then the many short ones."""
    hour, many = result["hour"], result["many"]
    return (
        f"A session of {number(hour['audio_s'] / 60, 0)} minutes of sound ({hour['lang']}), at "
        f"{number(hour['pace'], 1)} times the pace of speech: final after the silence p50 "
        f"{_figure(hour['final'], 'p50_s', 1000, 0)} ms, p95 "
        f"{_figure(hour['final'], 'p95_s', 1000, 0)} ms, slope "
        f"{number(hour['slope_ms_per_minute'], 2)} ms per minute (standard error "
        f"{number(hour.get('slope_error_ms_per_minute'), 2)}); memory "
        f"{number(hour['rss_first_mb'], 0)} MB in its first fifth, "
        f"{number(hour['rss_last_mb'], 0)} MB in its last; error "
        f"{number(hour['error_percent'], 2)} %; {hour['warnings']} warnings.\n\n"
        f"{many['sessions']} sessions opened and closed, every tenth with speech: memory "
        f"{number(many['rss_before_mb'], 0)} MB before, {number(many['rss_after_mb'], 0)} MB after "
        f"({number(many['growth_percent'], 1)} %); {many['failed']} failed."
    )


def _figure(
    latency: Mapping[str, float] | None, key: str, scale: float = 1, digits: int = 2
) -> str:
    return "-" if latency is None else number(scale * latency[key], digits)


def noises(result: Result) -> str:
    """A line for each form of the sounds and language."""
    columns = ["form", "language", "files", "files with text", "characters"]
    names = ("form", "language", "files", "invented_files", "characters")
    return markdown(columns, ([str(one[name]) for name in names] for one in result["results"]))


def detection(result: Result) -> str:
    """A line for each language, form of the sound and detector."""
    columns = ["language", "form", "detector", "speech missed %", "others called speech %"]
    return markdown([*columns, "segments"], map(_detection_cells, result["results"]))


def _detection_cells(one: Mapping[str, Any]) -> list[str]:
    return [
        one["lang"],
        one["form"],
        one["detector"],
        number(100 * one["missed"] / one["speech"]),
        number(100 * one["false"] / one["others"]),
        str(one["segments"]),
    ]
