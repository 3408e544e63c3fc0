# The book as a pipeline: a rule for each chapter's run, and one for the pages. `make book` calls it; by hand:
#   snakemake --cores 2 --nolock chapters --config profile=smoke
# where FAKEBOOK_PHOTOS=folder adds the runs on photographs. A run depends on its notebook, the tables it names, the
# library files that it imports (transitively), its block of book/profiles.yaml, its seed, the pinned versions, the
# photographs' content, and what an earlier chapter wrote for it. Nothing else reruns it.
import os
import sys

from fakebook import code, paths
from fakebook.book import build, run, stage

# The plain facts that no tool can find out. Which data sets a chapter runs on (photos: when a folder is given):
DATA = {name: ["faces", "photos"] for name in ("11_forgers", "12_detectives", "13_better_detectives")}
# and which files, under the build folder, chapters leave for one another:
FORGED = "forged/{profile}/{data}/report.json"
WRITES = {"11_forgers": [FORGED], "13_better_detectives": ["detective/{profile}/{data}.safetensors"]}
READS = {"12_detectives": [FORGED], "13_better_detectives": [FORGED]}


workdir: str(paths.build())


FITTING = build.default_profile()
PROFILE = config.get("profile") or FITTING
SEED = int(config.get("seed", 0))
PHOTOS = os.environ.get("FAKEBOOK_PHOTOS")
PHOTOS_DIGEST = build.content(PHOTOS) if PHOTOS else None
CHAPTERS = stage.chapters_of_toc()
CHOSEN = [config["chapter"]] if "chapter" in config else CHAPTERS
PYTHON = sys.executable
# A GPU is for one chapter at a time. Without one, a thread a chapter: more threads than cores are ten times slower.
THREADS = workflow.cores if FITTING == "gpu" else 1


def source(path):
    """A file of the checkout, relative to the build folder, so that a checkout that moves is still up to date."""
    return os.path.relpath(path, paths.build())


def data_sets(chapter):
    return [name for name in DATA.get(chapter, [None]) if name != "photos" or PHOTOS]


def files(patterns, data):
    return [pattern.format(profile=PROFILE, data=data) for pattern in patterns]


def named(chapter):
    """The tables of book/ that the notebook names; of the profiles its own block is enough (a parameter, below)."""
    text = run.notebook(chapter).read_text()
    tables = sorted((paths.root() / "book").glob("*.yaml"))
    return [source(path) for path in tables if path.name in text and path.name != "profiles.yaml"]


def outputs(chapter, data):
    name = run.run_name(chapter, data)
    return [f"executed/{PROFILE}/{name}.ipynb", f"results/{PROFILE}/{name}/run.json"]


def needed(chapter):
    """The chapter and those whose files it reads."""
    writers = [other for other in CHAPTERS if set(WRITES.get(other, [])) & set(READS.get(chapter, []))]
    return {chapter}.union(*(needed(writer) for writer in writers))


RUNS = [(chapter, data) for chapter in CHOSEN for data in data_sets(chapter)]
FINISHED = [path for chapter, data in RUNS for path in outputs(chapter, data)]


rule page:
    input:
        FINISHED,
        [source(path) for path in stage.sources()],
        [source(path) for path in code.sources("fakebook.book.render").values()],
    params:
        runs=[run.run_name(chapter, data) for chapter, data in RUNS],
    output:
        "html/index.html",
    shell:
        "{PYTHON} -m fakebook.book.render {PROFILE} {params.runs}"


rule chapters:
    input:
        FINISHED,


# What the poster shows. Its files are found only when it is asked for.
POSTER_DATA = config.get("data", "faces")
POSTER_RUNS = [run.run_name(chapter, POSTER_DATA) for chapter in build.POSTER]


rule poster:
    input:
        lambda _: [f"results/{PROFILE}/{name}/run.json" for name in POSTER_RUNS],
        lambda _: [source(path) for path in sorted((paths.root() / "poster").iterdir())],
        lambda _: [source(path) for path in code.sources("fakebook.book.poster").values()],
        source(paths.root() / "book" / "published.yaml"),
    output:
        build.poster_file(POSTER_DATA).name,
    shell:
        "{PYTHON} -m fakebook.book.poster {PROFILE} {POSTER_DATA}"


for chapter in sorted(set().union(*map(needed, CHOSEN))):
    for data in data_sets(chapter):

        rule:
            name:
                run.run_name(chapter, data)
            input:
                source(run.notebook(chapter)),
                [source(path) for path in code.sources(code.imports_of_notebook(run.notebook(chapter))).values()],
                named(chapter),
                source(paths.root() / "constraints.txt"),
                files(READS.get(chapter, []), data),
            params:
                arguments=" ".join([chapter, f"profile={PROFILE}", f"seed={SEED}", *([f"data={data}"] if data else [])]),
                settings=build.settings_text(PROFILE, chapter, data),
                photos=PHOTOS_DIGEST if data == "photos" else None,
            output:
                outputs(chapter, data),
                files(WRITES.get(chapter, []), data),
            threads: THREADS
            # Chapters that wait for one another are the longest chain: they start before those that stand alone.
            priority: int(chapter in {*WRITES, *READS})
            shell:
                "{PYTHON} -m fakebook.book.run {params.arguments}"
