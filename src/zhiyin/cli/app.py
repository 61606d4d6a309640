"""The `zhiyin` command: options of all subcommands. Heavy imports wait until one needs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from zhiyin import __version__
from zhiyin.cli.exit_codes import exit_code
from zhiyin.domain.errors import AsrError

app = typer.Typer(
    name="zhiyin",
    help="zhiyin (知音): speech recognition on your own machine.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)
models_app = typer.Typer(help="List, fetch and locate models.", no_args_is_help=True)
config_app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)
keys_app = typer.Typer(help="Encryption keys of stored data.", no_args_is_help=True)
history_app = typer.Typer(help="Export and import transcripts.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(keys_app, name="keys")
app.add_typer(history_app, name="history")
app.add_typer(config_app, name="config")
err = Console(stderr=True)

DataDir = Annotated[
    Path | None, typer.Option(help="Folder of models and stored data.", file_okay=False)
]
Script = Annotated[
    str,
    typer.Option(
        help="How Chinese is written: simplified, traditional, traditional-tw, traditional-hk or "
        "as-is; as the language tag says when left out."
    ),
]
Model = Annotated[str, typer.Option(help="Model id or alias; the default when left out.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"zhiyin {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and exit.")
    ] = False,
) -> None:
    """Zhiyin (知音): speech recognition on your own machine."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Start the service with its HTTP API and web page."""
    from zhiyin.cli.serve import run

    run(host, port, data_dir)


@app.command()
def worker(
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Concurrent jobs; jobs.workers when left out.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Process jobs without serving HTTP; any number of workers, on any number of machines."""
    from zhiyin.cli.worker import run

    run(workers, data_dir)


@app.command()
def transcribe(
    files: Annotated[list[str], typer.Argument(help="Audio or video files; - is standard input.")],
    output: Annotated[
        str, typer.Option("--format", "-f", help="text, srt, vtt, json or verbose_json.")
    ] = "text",
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="Write a file per recording there.")
    ] = None,
    language: Annotated[str, typer.Option("--language", "-l", help="zh, en, ...")] = "auto",
    task: Annotated[str, typer.Option(help="transcribe, or translate (into English).")] = (
        "transcribe"
    ),
    model: Model = "",
    prompt: Annotated[str, typer.Option(help="Text that could have come before.")] = "",
    hotwords: Annotated[str, typer.Option(help="Words that are likely to come.")] = "",
    beam_size: Annotated[int | None, typer.Option(min=1, max=10, help="Width of the search.")] = (
        None
    ),
    previous_text: Annotated[
        bool, typer.Option("--previous-text", help="Condition each piece on the text so far.")
    ] = False,
    script: Script = "",
    track: Annotated[int | None, typer.Option(min=1, help="Sound track, from 1.")] = None,
    words: Annotated[bool, typer.Option("--words", help="Times for every word (json).")] = False,
    vad: Annotated[
        bool, typer.Option(help="Skip what is not speech (voice activity detection).")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Recognize the speech in files, without a server."""
    from zhiyin.cli.transcribe import Request, run
    from zhiyin.domain.languages import parse_language
    from zhiyin.domain.options import DecodeOptions, TextOptions, TranscribeOptions
    from zhiyin.domain.script import parse_script, script_of_tag

    if task not in ("transcribe", "translate"):
        raise typer.BadParameter("use transcribe or translate", param_hint="--task")
    decode = DecodeOptions(
        language=parse_language(language),
        task="translate" if task == "translate" else "transcribe",
        prompt=prompt,
        hotwords=hotwords,
        beam_size=beam_size,
        words=words,
    )
    text = TextOptions(parse_script(script) or script_of_tag(language))
    options = TranscribeOptions(model, decode, vad, previous_text, text, track)
    code = run(Request(files, output, output_dir, options, quiet), data_dir)
    raise typer.Exit(code)


@app.command()
def listen(
    source: Annotated[
        str, typer.Argument(help="A file, or - for standard input; the microphone when left out.")
    ] = "",
    language: Annotated[str, typer.Option("--language", "-l", help="zh, en, ...")] = "auto",
    model: Model = "",
    prompt: Annotated[str, typer.Option(help="Text that could have come before.")] = "",
    hotwords: Annotated[str, typer.Option(help="Words that are likely to come.")] = "",
    silence_ms: Annotated[
        int | None,
        typer.Option(
            min=100, max=5000, help="A silence of this length ends a segment; live.silence_s else."
        ),
    ] = None,
    encoding: Annotated[
        str, typer.Option(help="Of standard input: s16le, f32le, mulaw or alaw, one channel.")
    ] = "s16le",
    rate: Annotated[int, typer.Option(help="Samples a second of standard input.")] = 16_000,
    pace: Annotated[
        float, typer.Option(min=0, help="Speed at which a file is played; 0 is at once.")
    ] = 1.0,
    script: Script = "",
    as_json: Annotated[bool, typer.Option("--json", help="Every event as a line of JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show live captions from a microphone or file, without a server."""
    from zhiyin.cli.listen import Request, run
    from zhiyin.domain.languages import parse_language
    from zhiyin.domain.live import AudioFormat, parse_encoding
    from zhiyin.domain.options import DecodeOptions, TextOptions
    from zhiyin.domain.script import parse_script, script_of_tag

    decode = DecodeOptions(language=parse_language(language), prompt=prompt, hotwords=hotwords)
    text = TextOptions(parse_script(script) or script_of_tag(language))
    silence_s = None if silence_ms is None else silence_ms / 1000
    audio_format = AudioFormat(parse_encoding(encoding), rate)
    request = Request(source, model, decode, silence_s, text, audio_format, pace, as_json)
    run(request, data_dir)


@app.command(context_settings={"allow_extra_args": True, "allow_interspersed_args": False})
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Such as stream, the one for live recognition.")],
) -> None:
    """Run a bench of a source checkout with its own options: zhiyin bench stream --clients 1,3."""
    from zhiyin.cli import bench as command

    raise typer.Exit(command.run(name, context.args))


@app.command()
def calibrate(
    model: Annotated[str, typer.Argument(help="Model id or alias.")],
    manifest: Annotated[
        Path, typer.Option(help="Tab-separated list with the columns file, lang and reference.")
    ],
    languages: Annotated[
        str, typer.Option(help="Such as en,zh; all that the model knows when left out.")
    ] = "",
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Longest recording to take.")] = 28,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many recordings of a language.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Points of error rate that speed may cost.")
    ] = 0.2,
    windows: Annotated[
        str, typer.Option(help="Windows to try, as shortest+tail seconds: 8+3,12+5.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(help="Write there instead of where the model's next start reads it."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Choose a model's windows, padding and beam by measuring it on recordings of yours.

    The file that is written replaces the calibration that comes with zhiyin; languages it does
    not name are decoded in the full window.
    """
    from zhiyin.cli import calibrate as command
    from zhiyin.domain.calibration import CalibrationOptions

    options = CalibrationOptions(tolerance, command.windows(windows), output)
    wanted = frozenset(filter(None, (part.strip() for part in languages.split(","))))
    command.run(command.Request(model, manifest, wanted, max_seconds, limit, options), data_dir)


@models_app.command("list")
def models_list(data_dir: DataDir = None) -> None:
    """All models, installed or not."""
    from zhiyin.cli.models import show

    show(data_dir)


@models_app.command("pull")
def models_pull(model: str, data_dir: DataDir = None) -> None:
    """Fetch a model's weights and verify them."""
    from zhiyin.cli.models import pull

    pull(model, data_dir)


@models_app.command("path")
def models_path(model: str, data_dir: DataDir = None) -> None:
    """Print the folder of an installed model."""
    from zhiyin.cli.models import path

    print(path(model, data_dir))


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Migrate the tables of the history and of jobs, before a new version starts."""
    from zhiyin.cli.migrate import migrate

    migrate(data_dir)


@app.command()
def erase(
    owner: Annotated[
        str, typer.Argument(help="The owner; anonymous as long as there are no API keys.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Erase all stored data of an owner, and print a receipt; the service may run."""
    from zhiyin.cli.erase import run

    if not yes:
        typer.confirm(f"Erase everything of '{owner}' for good?", abort=True)
    run(owner, data_dir)


@keys_app.command("generate")
def keys_generate(
    name: Annotated[str, typer.Option(help="What to call it; a random name when left out.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="Put it first in this file, for encryption.keys_file.")
    ] = None,
) -> None:
    """Make an encryption key."""
    from zhiyin.cli.keys import make

    make(name, file)


@keys_app.command("list")
def keys_list(data_dir: DataDir = None) -> None:
    """List keys and how much is encrypted with each; never the keys themselves."""
    from zhiyin.cli.keys import show

    show(data_dir)


@keys_app.command("rotate")
def keys_rotate(
    plain: Annotated[
        bool, typer.Option("--plain", help="Decrypt everything instead, to run without keys.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Re-encrypt all stored data with the first key; the service may run meanwhile."""
    from zhiyin.cli.keys import rotate

    rotate(data_dir, plain=plain)


@history_app.command("export")
def history_export(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write; standard output when left out.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write all kept transcripts, decrypted, as JSON lines."""
    from zhiyin.cli.history import export

    export(file, data_dir)


@history_app.command("import")
def history_import(
    file: Annotated[
        Path | None, typer.Argument(help="What to read; standard input when left out.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Add exported transcripts; existing ones are skipped."""
    from zhiyin.cli.history import import_

    import_(file, data_dir)


@config_app.command("check")
def config_check() -> None:
    """Validate the configuration; exit 2 when it is wrong."""
    from zhiyin.cli.configure import check

    check()


@config_app.command("show")
def config_show(
    defaults: Annotated[
        bool, typer.Option("--defaults", help="The documented defaults as zhiyin.toml.")
    ] = False,
) -> None:
    """Print the settings in force, as a zhiyin.toml."""
    from zhiyin.cli.configure import show

    show(defaults)


def main() -> None:
    """Run the command line; errors are one plain line and an exit code."""
    try:
        app()
    except AsrError as error:
        err.print(f"[red]error:[/red] {escape(error.message)}", highlight=False)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
