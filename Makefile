# The Fake Book. `make help` says what there is.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
PORT ?= 8000
# FAKEBOOK_BUILD, if set, is where everything computed goes.
BUILD := $(or $(FAKEBOOK_BUILD),_build)

.DEFAULT_GOAL := help
.PHONY: help book chapter poster test lint sync serve clean

help:
	@echo "make book                    run every chapter, render the pages, say where the front page is"
	@echo "make book PROFILE=gpu        on another profile: smoke, cpu, gpu or paper (default: gpu where there is one, else cpu)"
	@echo "make book PHOTOS=folder      the chapters on faces once more, on your photographs"
	@echo "make chapter CH=NAME         run one chapter, and those it needs"
	@echo "make poster                  the poster of chapters 11 to 13 on one A2 page (DATA=photos PHOTOS=folder: on yours)"
	@echo "make test                    the tests, every chapter on the smallest profile among them"
	@echo "make lint                    what ruff has to say of code and notebooks"
	@echo "make sync                    write what repeats the address, the versions or the list of chapters"
	@echo "make serve                   the pages on http://127.0.0.1:$(PORT)"
	@echo "make clean                   forget everything computed ($(BUILD)); $(VENV) stays"

book: $(READY)
	@$(RUN) -m fakebook.book.build $(if $(PROFILE),--profile "$(PROFILE)") $(if $(PHOTOS),--photos "$(PHOTOS)")

chapter: $(READY)
	@$(RUN) -m fakebook.book.build --chapter "$(CH)" $(if $(PROFILE),--profile "$(PROFILE)") $(if $(PHOTOS),--photos "$(PHOTOS)")

poster: $(READY)
	@$(RUN) -m fakebook.book.build --poster $(if $(DATA),--data "$(DATA)") $(if $(PROFILE),--profile "$(PROFILE)") $(if $(PHOTOS),--photos "$(PHOTOS)")

test: $(READY)
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -rs --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY)
	@$(RUN) -m ruff check && $(RUN) -m ruff format --check

sync: $(READY)
	@$(RUN) -m fakebook.book.sync

serve: $(READY)
	@test -f "$(BUILD)/html/index.html" || { echo "error: there are no pages yet: run make book" >&2; exit 1; }
	$(RUN) -m http.server $(PORT) --bind 127.0.0.1 --directory "$(BUILD)/html"

# A folder that FAKEBOOK_BUILD names goes only if the book was built in it.
clean:
	@test "$(BUILD)" = _build || test ! -e "$(BUILD)" || test -d "$(BUILD)/.snakemake" || \
		{ echo "error: no book was built in $(BUILD): it is left alone" >&2; exit 1; }
	rm -rf "$(BUILD)"

# --no-compile: of twenty thousand modules most are never imported, and Python compiles the others when they are.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is missing or older than 3.11: install Python 3.11 or newer, or say make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[book,test]'
	@touch $@
