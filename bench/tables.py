"""Results as Markdown tables, one function for each bench. Ratios are a peer's over zhiyin's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Result = Mapping[str, Any]
OURS = "zhiyin"


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, places: int = 1) -> str:
    """A dash where there is no value."""
    return "-" if value is None else f"{value:.{places}f}"


def accuracy(result: Result) -> str:
    """A line for each set: error rates side by side, then the peers' times over zhiyin's."""
    names = _recognizers(result["sets"])
    columns = ["set", "files", *(f"{n} %" for n in names), *(f"{n} time" for n in names[1:])]
    return markdown(columns, (_set_cells(entry, names) for entry in result["sets"]))


def _set_cells(entry: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    sums = entry["sums"]
    title = f"{entry['name']} ({entry['metric']})" if entry["metric"] else entry["name"]
    errors = [_error(entry, sums[n]) for n in names]
    times = [_ratio(sums[n]["wall_s"], sums[OURS]["wall_s"]) for n in names[1:]]
    return [title, str(entry["files"]), *errors, *times]


def _error(entry: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    """Percent; for sets without speech, the files that got a text nevertheless."""
    failed = f" ({one['failed']} failed)" if one["failed"] else ""
    if entry["metric"] is None:
        return f"{one['invented_files']} files with text{failed}"
    return number(one["percent"], 2) + failed


def one_client(result: Result) -> str:
    """A line for each recognizer on the recordings of 1 to 10 s."""
    columns = ["set", "recognizer", "files", "error %", "s per file", "RTF", "time / zhiyin's"]
    chosen = [entry for entry in result["sets"] if entry["name"].endswith(" 1-10 s")]
    names = _recognizers(chosen)
    return markdown(columns, (_one_client_cells(entry, name) for entry in chosen for name in names))


def _one_client_cells(entry: Mapping[str, Any], name: str) -> list[str]:
    one, ours = entry["sums"][name], entry["sums"][OURS]
    return [
        f"{entry['name']} ({entry['metric']})",
        name,
        str(entry["files"]),
        _error(entry, one),
        number(one["wall_s"] / entry["files"], 2),
        number(one["rtf"], 3),
        _ratio(one["wall_s"], ours["wall_s"]),
    ]


def load(result: Result) -> str:
    """A line for each server at each number of clients."""
    languages = sorted(result["levels"][0]["error_percent"])
    columns = ["server", "clients", "requests", "requests/s", "audio s/s", "p50 s", "p95 s"]
    columns += ["p99 s", "other statuses", *(f"{lang} error %" for lang in languages)]
    columns += ["throughput / plain's"]
    plain = {
        level["clients"]: level["requests_per_s"]
        for level in result["levels"]
        if level["server"] == "plain"
    }
    rows = (_level_cells(one, languages, plain.get(one["clients"])) for one in result["levels"])
    return markdown(columns, rows)


def _level_cells(
    one: Mapping[str, Any], languages: Sequence[str], plain: float | None
) -> list[str]:
    return [
        one["server"],
        str(one["clients"]),
        str(one["requests"]),
        number(one["requests_per_s"], 2),
        number(one["audio_s_per_s"]),
        *(_seconds(one["latency"], key) for key in ("p50_s", "p95_s", "p99_s")),
        _statuses(one["statuses"]),
        *(number(one["error_percent"].get(lang), 2) for lang in languages),
        _ratio(one["requests_per_s"], plain),
    ]


def long(result: Result) -> str:
    """A line for each recognizer on each recording."""
    columns = ["recording", "recognizer", "audio s", "wall s", "RTF", "time / zhiyin's"]
    columns += ["error %", "peak MB so far"]
    ours = {r["file"]: r["wall_s"] for r in result["results"] if r["recognizer"] == OURS}
    files = list(dict.fromkeys(r["file"] for r in result["results"]))
    ordered = sorted(result["results"], key=lambda r: files.index(r["file"]))
    return markdown(columns, (_long_cells(r, ours.get(r["file"])) for r in ordered))


def _long_cells(one: Mapping[str, Any], ours_s: float | None) -> list[str]:
    return [
        one["file"],
        one["recognizer"],
        number(one["seconds"], 0),
        number(one["wall_s"]),
        number(one["rtf"], 3),
        _ratio(one["wall_s"], ours_s),
        f"{number(one['error_percent'], 2)} ({one['metric']})",
        number(one["peak_mb"], 0),
    ]


def mixed(result: Result) -> str:
    """Two lines for each server, idle and busy; then how its long recording went."""
    columns = ["server", "phase", "requests", "p50 s", "p95 s", "p50 / idle p50", "error %"]
    columns += ["other statuses"]
    short = markdown(columns, (row for one in result["results"] for row in _phases(one)))
    columns = ["server", "long recording s", "answered after s", "RTF", "error %"]
    return f"{short}\n\n{markdown(columns, map(_long_beside, result['results']))}"


def _phases(one: Mapping[str, Any]) -> Iterable[list[str]]:
    for name in ("idle", "busy"):
        phase, idle = one[name]["latency"], one["idle"]["latency"]
        yield [
            one["server"],
            name,
            str(phase["count"] if phase else 0),
            _seconds(phase, "p50_s"),
            _seconds(phase, "p95_s"),
            _ratio(phase["p50_s"], idle["p50_s"]) if phase and idle else "-",
            _errors(one[name]["error_percent"]),
            _statuses(one[name]["statuses"]),
        ]


def _long_beside(one: Mapping[str, Any]) -> list[str]:
    return [
        one["server"],
        number(one["long_s"], 0),
        number(one["long_wall_s"]) if one["long_status"] == 200 else str(one["long_status"]),
        number(one["long_wall_s"] / one["long_s"], 3),
        _errors(one["long_error_percent"]),
    ]


def memory(result: Result) -> str:
    """Resident memory over the requests, then peaks beside a peer's."""
    over = result["over_requests"]
    samples = over["samples"]
    shown = [s for i, s in enumerate(samples) if i == len(samples) - 1 or i % _step(samples) == 0]
    rss = markdown(
        ["answers", "RSS MB"],
        [["0", number(over["start_mb"], 0)]]
        + [[str(s["answers"]), number(s["rss_mb"], 0)] for s in shown],
    )
    columns = ["recognizer", "recording", "audio s", "peak MB so far", "error %"]
    peaks = markdown(columns, map(_peak_cells, result["peaks"]))
    return f"{_growth(over)}\n\n{rss}\n\n{peaks}"


def _step(samples: Sequence[Any]) -> int:
    return max(1, len(samples) // 10)


def _growth(over: Mapping[str, Any]) -> str:
    return (
        f"{over['requests']} requests; growth {number(over['growth_percent'], 2)} %, "
        f"peak {number(over['peak_mb'], 0)} MB; errors: {_errors(over['error_percent'])}; "
        f"other statuses: {_statuses(over['statuses'])}."
    )


def _peak_cells(one: Mapping[str, Any]) -> list[str]:
    return [
        one["recognizer"],
        one["file"],
        number(one["seconds"]),
        number(one["peak_mb"], 0),
        number(one["error_percent"], 2),
    ]


def start(result: Result) -> str:
    """A line for each server, and what importing the package takes."""
    columns = ["server", "data folder", "starts", "ready s, median", "s, longest"]
    imports = result["imports"]
    line = f"`import zhiyin`: {number(1000 * imports['median_s'], 0)} ms."
    return f"{line}\n\n{markdown(columns, map(_start_cells, result['servers']))}"


def _start_cells(one: Mapping[str, Any]) -> list[str]:
    times = one["ready"]
    seconds = [number(times[key], 2) for key in ("median_s", "max_s")]
    return [one["name"], one["folder"], str(times["count"]), *seconds]


def viewers(result: Result) -> str:
    """A line for each number of viewers."""
    columns = ["viewers", "captions", "finals p50 ms", "p95 ms", "p99 ms", "last viewer p95 ms"]
    columns += ["partials p50 ms", "p95 ms", "p99 ms", "finals lost", "repeated"]
    columns += ["CPU s per s", "RSS MB"]
    return markdown(columns, map(_viewers_cells, result["levels"]))


def _viewers_cells(level: Mapping[str, Any]) -> list[str]:
    seen = level["seen"]
    keys = ("p50_s", "p95_s", "p99_s")
    return [
        str(seen["viewers"]),
        str(seen["captions"]),
        *(_milliseconds(seen["finals"], key) for key in keys),
        _milliseconds(seen["last_viewer"], "p95_s"),
        *(_milliseconds(seen["partials"], key) for key in keys),
        str(seen["lost"]),
        str(seen["repeated"]),
        number(level["cpu_s_per_audio_s"], 2),
        number(level["rss_mb"], 0),
    ]


def history(result: Result) -> str:
    """A line for each question, then what keeping adds to an answer, then query plans."""
    columns = ["database", "encrypted", "transcripts", "question", "p50 ms", "p95 ms"]
    reads = markdown(columns, map(_read_cells, result["reads"]))
    columns = ["database", "encrypted", "answers", "p50 ms kept", "p50 ms not kept"]
    columns += ["p50 ms added"]
    writes = markdown(columns, map(_write_cells, result["writes"]))
    columns = ["query", "table", "access", "key", "rows", ""]
    plans = markdown(columns, ([str(value) for value in p.values()] for p in result["plans"]))
    return f"{reads}\n\n{writes}" + (f"\n\n{plans}" if result["plans"] else "")


def _read_cells(one: Mapping[str, Any]) -> list[str]:
    times = (_milliseconds(one["latency"], key) for key in ("p50_s", "p95_s"))
    return [one["database"], _yes(one["encrypted"]), str(one["rows"]), one["question"], *times]


def _write_cells(one: Mapping[str, Any]) -> list[str]:
    kept, not_kept = one["kept"], one["not_kept"]
    added = (kept["p50_s"] - not_kept["p50_s"]) * 1000 if kept and not_kept else None
    count = str(kept["count"] if kept else 0)
    times = (_milliseconds(latency, "p50_s") for latency in (kept, not_kept))
    return [one["database"], _yes(one["encrypted"]), count, *times, number(added)]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def cache(result: Result) -> str:
    """A line for each store; milliseconds, because a hit takes few."""
    columns = ["store", "decode p50 ms", "hit p50 ms", "hit p95 ms", "decode / hit", "10 at once s"]
    columns += ["decoded of 10"]
    size = f"File: {number(result['file_bytes'] / (1 << 20), 2)} MiB."
    return f"{size}\n\n{markdown(columns, map(_cache_cells, result['results']))}"


def jobs(result: Result) -> str:
    """A line for each pair of stores; what should be 0 is 0 when nothing was lost or doubled."""
    columns = ["stores", "jobs", "done", "lost", "wrong text", "several webhook ids", "no webhook"]
    columns += ["webhooks sent again", "workers killed", "restarted", "attempts", "s"]
    return markdown(columns, map(_jobs_cells, result["runs"]))


def _jobs_cells(run: Mapping[str, Any]) -> list[str]:
    keys = ("lost", "wrong_text", "with_several_ids", "without_message", "repeated_messages")
    return [
        run["stores"],
        str(run["jobs"]),
        str(run["states"].get("done", 0)),
        *(str(run[key]) for key in (*keys, "kills")),
        ", ".join(run["restarted"]),
        str(run["attempts"]),
        number(run["seconds"], 0),
    ]


def _cache_cells(one: Mapping[str, Any]) -> list[str]:
    return [
        one["store"],
        number(1000 * one["decoded"]["p50_s"], 0),
        number(1000 * one["hit"]["p50_s"], 2),
        number(1000 * one["hit"]["p95_s"], 2),
        number(one["ratio"], 0),
        number(one["together_wall_s"], 2),
        str(one["together_decoded"]),
    ]


def _recognizers(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    names = {name for entry in sets for name in entry["sums"]}
    return sorted(names, key=lambda name: (name != OURS, name))


def _ratio(value: float, base: float | None) -> str:
    return f"{value / base:.2f}" if base else "-"


def _seconds(latency: Mapping[str, float] | None, key: str) -> str:
    return "-" if latency is None else number(latency[key], 2)


def _milliseconds(latency: Mapping[str, float] | None, key: str) -> str:
    return "-" if latency is None else number(1000 * latency[key], 1)


def _errors(percent: Mapping[str, float | None]) -> str:
    return ", ".join(f"{lang} {number(value, 2)}" for lang, value in percent.items()) or "-"


def _statuses(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(counts.items())) or "none"


def decoding(result: Result) -> str:
    """A line for each kind of recording, then what processes cost once."""
    columns = ["recording", "audio s", "own process ms", "decoder process ms", "ratio"]
    columns += ["CPU own ms", "CPU decoder ms", "RTF own", "RTF decoder"]
    memory = ", ".join(f"{name} {number(mb)} MB" for name, mb in result["own_memory_mb"].items())
    line = f"Fork server: {number(1000 * result['start_s'], 0)} ms to its first recording. "
    line += f"Memory that no other process has: {memory}."
    return f"{line}\n\n{markdown(columns, map(_decoding_cells, result['results']))}"


def _decoding_cells(one: Mapping[str, Any]) -> list[str]:
    own, process, audio_s = one["own"], one["process"], one["audio_s"]
    return [
        one["name"],
        number(audio_s),
        *(number(1000 * cost["wall_s"]) for cost in (own, process)),
        number(process["wall_s"] / own["wall_s"], 2),
        *(number(1000 * cost["cpu_s"]) for cost in (own, process)),
        *(number(cost["wall_s"] / audio_s, 5) for cost in (own, process)),
    ]


def fuzz(result: Result) -> str:
    """What a run of the fuzzer saw."""
    found, health = result["found"], result["health"]
    growth = f"{number(health['start_mb'], 0)} -> {number(health['end_mb'], 0)}"
    rows = [
        ("recordings, files and live streams", str(found["cases"])),
        ("answers", _counted(found["answers"])),
        ("ends of live streams", _counted(found["closes"])),
        ("deadlines passed (504)", str(found["deadlines"])),
        ("server errors", str(found["server_errors"])),
        ("broken connections", str(found["broken_connections"])),
        ("deaths of the server", str(found["deaths"])),
        ("resident memory at the start and the end, MB", growth),
        ("the most, MB", number(health["most_mb"], 0)),
        ("the most with decoder processes, MB", number(health["most_with_decoders_mb"], 0)),
        ("answers of /health/live", str(health["answers"])),
        ("later than 200 ms", str(health["late"])),
        ("the latest, ms", number(1000 * health["longest_s"], 0)),
    ]
    return markdown(["", ""], rows)


def _counted(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} x {name}" for name, count in ordered)
