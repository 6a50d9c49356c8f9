"""What `gitml` and `gitml --help` print, and short pages on what commands share.

Plain text, so that it is there before the machinery of the command line is loaded.
"""

from __future__ import annotations

from gitml.cli.commands import SECTIONS

_WIDTH = 14

_EXAMPLE = """\
Example:
  gitml run -e churn --scalars auto python train.py --lr 0.1
  gitml log -n 5 -s -acc
  gitml diff @~1 @
"""

_OPTIONS = """\
Options, before the command:
  -C DIR              Run as if started in this folder.
  --color WHEN        When to write in colour: auto, always or never.
  -P, --no-pager      Never start a pager.
  --traceback         Show where in the code an error came from.
  --version           Show the version.
  -h, --help          Show this. Every command has it too.
  --install-completion, --show-completion
                      Complete names in this shell.
"""

TOPICS = {
    "filters": (
        "Choosing runs by what they recorded",
        """\
A filter is MLflow's, with OR, NOT and parentheses:

  metrics.acc > 0.9 and params.depth in (6, 8)
  metrics.loss.min < 0.2 or tags.team = 'vision'
  not params.optimizer is null
  status = 'failed' and start_time >= '7d ago'
  name like 'brisk%' and duration > 5m
  note ~ 'learning rate'            (regular expression)

Names:  metrics.X (.min .max .last .count; .step .min_step .max_step),
        params.X, tags.X, datasets.name, and run_id, name, status, user, host,
        start_time, end_time, duration, experiment, code.commit, branch, dirty,
        parent, exit_code, error, note, live.
        Quote odd names with backticks: metrics.`val/top-1 acc` > 0.9
        -s, -c, --top, --group-by and --format take them too, and X alone.
Use it: gitml log --filter '...', gitml.search_runs(filter_string="...")
""",
    ),
    "names": (
        "Naming a run",
        """\
  4c8ae10...        its id, or a unique beginning of four characters or more
  brisk-heron       its name
  @                 the newest run;  @~1 the one before
  @{best:acc}       the best by a metric;  @{min:x}, @{max:x} whatever it is called
  HEAD, main, v1.2  the newest run made from that commit of the code
  churn@v3          the run that made a version of a model: gitml help models
""",
    ),
    "models": (
        "Naming a model",
        """\
  churn                                         the model
  churn@v3           models:/churn/3            its third version
  churn@latest       models:/churn/latest       the newest
  churn#production   models:/churn/Production   what is in a stage
  churn@champion     models:/churn@champion     what an alias means
                     models:/churn/3/file.bin   a file of a version
                     runs:/4c8ae10f/model       a file or folder of a run

Where a command takes MODEL and VERSION, VERSION is 3, v3, latest, a stage or an alias.
Any of these names a run, too, where a run is only looked at: gitml diff churn#production @
A run whose name looks like that goes first.
""",
    ),
    "formats": (
        "Output for programs",
        """\
  --json        one document: {"schema": 1, "runs": [...]}
  --jsonl       the same, one line a record
  --csv         all fields, with a heading
  --md          a Markdown table
  --porcelain   tab-separated, fixed fields, versioned by its first line
  --format F    fields as in git log; -z ends records with NUL

Fields for --format:
  %H %h   run id, short       %s   name               %e   experiment
  %S      status              %d   duration           %N   note
  %C %c   code commit, short  %an  user
  %ad %ar %at                 start: RFC 3339, relative, seconds since 1970
  %(metrics.acc) %(loss.min) %(params.lr) %(lr) %(tags.team) %(status)
                              names as in gitml help filters
  %n line end   %x09 tab   %% percent sign

JSON has no NaN: it is the string "NaN"; infinities are "Infinity" and "-Infinity".
""",
    ),
    "mlflow": (
        "From MLflow",
        """\
  mlflow run PROJECT                gitml run PROJECT
  mlflow ui, the list of runs       gitml log,  gitml watch
  mlflow runs list / describe       gitml runs list,  gitml show RUN --json
  mlflow experiments ...            gitml experiments ...
  mlflow artifacts list / download  gitml artifacts list / get
  mlflow.register_model(uri, name)  gitml models register RUN:PATH NAME
  ...transition_model_version_stage gitml models promote NAME VERSION STAGE
  ...set_registered_model_alias     gitml models alias NAME ALIAS VERSION
  ...search_model_versions          gitml models list,  gitml models show NAME
  mlflow.sklearn.log_model, autolog gitml.sklearn.log_model, autolog
  mlflow models serve -m URI        gitml models serve MODEL
  mlflow models predict -m URI      gitml models predict MODEL -i FILE
  mlflow models build-docker -m URI gitml models build-image MODEL -t TAG
  mlflow deployments create ...     gitml models deploy MODEL --target ...
  mlflow.search_runs(...)           gitml log --filter '...' --order-by '...'
  bring ./mlruns here               gitml import mlruns ./mlruns
  bring a database or server here   gitml import mlflow sqlite:///mlflow.db
  give runs back to MLflow          gitml export mlruns ./mlruns
  import mlflow                     import gitml as mlflow
  MLFLOW_TRACKING_URI, a server     none: runs are commits on the branch gitml/runs
""",
    ),
    "git": (
        "From git",
        """\
  git log, show, diff, status       gitml log, show, diff, status: the same habits, for runs
  git log main..feature -- FILE     gitml log main..feature -- FILE;  git log -p, --stat: gitml log -p, --stat
  git log gitml/runs                the runs, with plain git
  git show <record>:params.yaml     a file of a run; `gitml show RUN --json` gives its record
  git diff main..feature -- FILE    gitml diff main..feature --code -- FILE
  git diff <record A> <record B>    everything that differs, source code included
  git notes, git tag                gitml note, gitml tag
  git push, pull, fetch, clone      gitml push, pull, fetch, clone: runs, artifacts and registry tags
  git push origin gitml/runs        works too; with `gitml init --hooks` artifacts go first
""",
    ),
    "exit-codes": (
        "What exit codes mean",
        """\
    0  done
    1  "no": runs differ (diff --exit-code), a gate was not met, nothing matched
    2  wrong usage
    3  not found
    4  refused, or a conflict
    5  a remote or the network failed
    6  stored data is damaged
    7  a package is missing
   70  a bug in gitml
  128  not in a git repository
  130  interrupted
  `gitml run` gives the program's own.
""",
    ),
}


def first_screen() -> str:
    """Write what `gitml` alone shows: the commands of a day, and an example."""
    lines = ["gitml: MLflow tracking with no server; every run is a git commit", ""]
    for title, commands in SECTIONS.items():
        daily = [f"  {c.name:<{_WIDTH}}{c.summary}" for c in commands if c.daily]
        lines += [f"{title}:", *daily, ""] if daily else []
    return "\n".join(lines) + f"\n{_EXAMPLE}\nMore: gitml --help, gitml COMMAND --help, gitml help TOPIC\n"


def overview() -> str:
    """Write what `gitml --help` shows: all commands and options."""
    lines = [
        "Usage: gitml [OPTIONS] COMMAND [ARGS]...",
        "",
        "MLflow tracking with no server: every run is a git commit.",
        "",
    ]
    for title, commands in SECTIONS.items():
        lines += [f"{title}:", *(f"  {c.name:<{_WIDTH}}{c.summary}" for c in commands), ""]
    topics = [f"  {name:<{_WIDTH}}{title}" for name, (title, _) in TOPICS.items()]
    return "\n".join([*lines, "Topics, by `gitml help TOPIC`:", *topics, ""]) + f"\n{_OPTIONS}\n{_EXAMPLE}"
