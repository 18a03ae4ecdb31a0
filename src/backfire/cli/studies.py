"""The commands of studies: questions asked of many tumours. Each runs a study, or shows stored ones without simulating."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from backfire.cli.commands import (
    FigureFormat,
    FigureFormats,
    Form,
    MechanismFiles,
    Workers,
    capped,
    command,
    complete_ablations,
    complete_sensitivities,
    complete_trials,
)
from backfire.cli.terminal import OutputFormat, print_json, print_listing, print_table, say, watched, write_line, write_prose
from backfire.errors import BackendLostError, StorageError, UnansweredError, UserError

if TYPE_CHECKING:
    from backfire.reports import Loader
    from backfire.scenario import FileKind
    from backfire.studies import Ablation, Sensitivity, Study, StudySpec, Trial

Out = Annotated[Path, typer.Option(help="folder for results")]
Dask = Annotated[str | None, typer.Option(metavar="ADDRESS", help="compute on the workers of a Dask scheduler")]
Resume = Annotated[bool, typer.Option("--resume", help="go on with what is stored, or ask the same tumours something else")]
Show = Annotated[list[Path] | None, typer.Option(metavar="DIR", help="show stored studies, asked anew, instead of running one")]
TRIALS, ABLATIONS, SENSITIVITIES = Path("results/trials"), Path("results/ablations"), Path("results/sensitivities")
RANKED: Final = 10
"""Inputs that the terminal shows of a ranking; the table has all."""


@command(place=140)
def trial(
    study: Annotated[
        str | None, typer.Argument(help="trial file, or shipped name", show_default=False, autocompletion=complete_trials)
    ] = None,
    out: Out = TRIALS, workers: Workers = None, dask: Dask = None, resume: Resume = False, show: Show = None,
    figures: FigureFormats = FigureFormat.PNG, own: MechanismFiles = None, form: Form = OutputFormat.TABLE,
) -> None:  # fmt: skip
    """A virtual trial: every patient under every arm; survival, own gains, how many patients a real trial would need."""
    _command("trial", [study] if study else [], _Asked(out, workers, dask, resume, show, own), figures, form, _trial_report)


@command(place=150)
def ablation(
    study: Annotated[
        list[str] | None,
        typer.Argument(help="ablation files, or shipped names", show_default=False, autocompletion=complete_ablations),
    ] = None,
    out: Out = ABLATIONS, workers: Workers = None, dask: Dask = None, resume: Resume = False, show: Show = None,
    figures: FigureFormats = FigureFormat.PNG, own: MechanismFiles = None, form: Form = OutputFormat.TABLE,
) -> None:  # fmt: skip
    """Which feedback is to blame: subsets of feedbacks switched off, and shares of the whole."""
    _command("ablation", study or [], _Asked(out, workers, dask, resume, show, own), figures, form, _ablation_report)


@command(place=160)
def sensitivity(
    study: Annotated[
        str | None,
        typer.Argument(help="sensitivity file, or shipped name", show_default=False, autocompletion=complete_sensitivities),
    ] = None,
    out: Out = SENSITIVITIES, workers: Workers = None, dask: Dask = None, resume: Resume = False, show: Show = None,
    figures: FigureFormats = FigureFormat.PNG, own: MechanismFiles = None, form: Form = OutputFormat.TABLE,
) -> None:  # fmt: skip
    """Which input decides: Sobol, Morris; of any sample Shapley effects, or Borgonovo's δ with PAWN or target HSIC."""
    _command(
        "sensitivity", [study] if study else [], _Asked(out, workers, dask, resume, show, own), figures, form, _sensitivity_report
    )


class _Asked:
    """The options that all studies share."""

    def __init__(
        self, out: Path, workers: int | None, dask: str | None, resume: bool, show: list[Path] | None, own: list[Path] | None
    ) -> None:
        self.out, self.workers, self.dask, self.resume, self.show, self.own = out, workers, dask, resume, show, own

    def again(self, kind: str, study: str) -> str:
        """The command that goes on."""
        words = ["backfire", kind, study, "--out", str(self.out)]
        words += ["--workers", str(self.workers)] if self.workers is not None else []
        words += ["--dask", self.dask] if self.dask else []
        words += [word for path in self.own or () for word in ("--mechanisms", str(path))]
        return shlex.join([*words, "--resume"])


Report = Callable[[Any], None]


def _command(kind: str, names: Sequence[str], asked: _Asked, figures: str, form: OutputFormat, report: Report) -> None:
    if asked.show:
        if names or asked.resume or asked.dask:
            raise UserError("--show reads what is stored; leave out the study, --resume and --dask")
        from backfire import studies

        done: list[Study] = [getattr(studies, f"read_{kind}")(folder) for folder in asked.show]
    elif not names:
        raise UserError(f"give a {kind} file or the name of a shipped one, or --show DIR")
    else:
        done = [_run(kind, study, asked) for study in names]
    if len(done) > 1 and kind == "ablation" and form is OutputFormat.TABLE:
        _ablations_report(done)
    else:
        _print(done, form, report)
    for item in done:
        _draw(item, figures)
        if not asked.show:
            say(f"written: {item.folder}")


def _run(kind: str, study: str, asked: _Asked) -> Study:
    """Run one study, with a bar while someone watches, and say how to go on if it is cut off."""
    from backfire import studies

    if asked.dask and asked.workers is not None:
        raise UserError("give --workers or --dask, not both: Dask has workers of its own")
    spec = getattr(studies, f"load_{kind}")(study, asked.own or ())
    client = None
    if asked.dask:
        from backfire.sweeps import dask_client

        client = dask_client(asked.dask)
    again = asked.again(kind, study)
    try:
        with watched(spec.count) as advance:
            means = studies.Means(capped(asked.workers), client, asked.resume, advance, say)
            made: Study = getattr(studies, kind)(spec, asked.out, means)
            return made
    except (KeyboardInterrupt, SystemExit) as ended:
        code = 130 if isinstance(ended, KeyboardInterrupt) else ended.code
        say(f"interrupted; what is stored is whole. Go on with: {again}")
        raise typer.Exit(int(str(code))) from None
    except (BackendLostError, StorageError):
        say(f"When that is mended, go on with: {again}")
        raise
    except UnansweredError:
        say(f"the members are stored; when the file says what is to be done, go on with: {again}")
        raise


def _print(done: Sequence[Study], form: OutputFormat, report: Report) -> None:
    if form is OutputFormat.JSON:
        from backfire.reports import as_records

        print_json([{**item.manifest, "tables": {name: as_records(rows) for name, rows in item.shown.items()}} for item in done])
    elif form is OutputFormat.CSV:
        for item in done:
            print_listing([*next(iter(item.shown.values()))], form)
    else:
        for item in done:
            write_prose(item.spec.title)
            report(item)
            for words in item.notes:
                write_prose(f"· {words}", "  ")
            write_line(f"{item.manifest['caution']} · scenario {item.spec.scenario.name} {item.spec.scenario.hash}\n")


def _draw(item: Study, form: str) -> None:
    """Write the figures beside the tables; one that cannot be drawn is a note, the numbers stand."""
    from backfire.studies import draw_study

    try:
        for path in draw_study(item, form):
            say(f"figure: {path}")
    except (ArithmeticError, ValueError, MemoryError) as error:
        say(f"figures not drawn ({type(error).__name__}: {error}); the tables are whole")


def _trial_report(made: Trial) -> None:
    from backfire.studies import trials

    if made.spec.compared:
        print_table(trials.comparison_rows(made))
    print_table(trials.arm_rows(made))
    if made.seen is not None:
        print_table(trials.response_rows(made))
    for words in (*trials.needed_lines(made), *trials.gaining_lines(made)):
        write_prose(words, "  ")


def _ablation_report(made: Ablation) -> None:
    for item in made.blames:
        all_on, all_off, whole = (number_between(found) for found in (item.all_on, item.all_off, item.whole))
        write_prose(f"{item.title}, {item.arm}: {all_on} with all on, {all_off} with all off; between them {whole}")
        rows: list[tuple[Any, ...]] = [("feedback", "falls when off", "rises when alone", "share", "carries")]
        for name in _ordered(item):
            cells = [
                number_between(found[name]) if name in found else "–" for found in (item.alone_off, item.alone_on, item.shares)
            ]
            rows.append((name, *cells, _percent(item, name)))
        print_table(rows)
        if len(item.pairs) > 1:
            one, other = max(item.pairs, key=lambda pair: abs(item.pairs[pair].value))
            words = f"{number_between(item.pairs[one, other])} more together than apart (below 0: less)"
            write_prose(f"strongest pair: {one} and {other}, {words}\n")


def _ordered(item: Any) -> list[str]:
    """The feedbacks, the one that carries most first."""
    return sorted(item.alone_off, key=lambda name: -abs(item.shares.get(name, item.alone_off[name]).value))


def _percent(item: Any, name: str) -> str:
    """The share of the whole, in whole per cent."""
    if name not in item.percent:
        return "–"
    found = item.percent[name]
    value, low, high = (round(part) for part in (found.value, found.low, found.high))
    return f"{value} % ({low} to {high})"


def _fixed(found: Any) -> str:
    """An estimate of decades or days, with two decimals."""
    value, low, high = (round(part, 2) + 0.0 for part in (found.value, found.low, found.high))
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _ablations_report(done: Sequence[Any]) -> None:
    """The first arm and outcome of several ablations in one table: the feedbacks of each, the one that carries most first."""
    rows: list[tuple[Any, ...]] = [("ablation", "outcome", "all on − all off", "feedback", "falls when off", "carries")]
    for made in done:
        item = made.blames[0]
        for place, name in enumerate(_ordered(item)):
            heads = (made.spec.name, item.title, _fixed(item.whole)) if not place else ("", "", "")
            rows.append((*heads, name, _fixed(item.alone_off[name]), _percent(item, name)))
    print_table(rows)
    shared = [words for words in done[0].notes if all(words in made.notes for made in done)]
    for made in done:
        for words in (words for words in made.notes if words not in shared):
            write_prose(f"· {made.spec.name}, {made.blames[0].arm}: {words}", "  ")
    for words in shared:
        write_prose(f"· {words}", "  ")
    write_line(done[0].manifest["caution"])


def _sensitivity_report(made: Sensitivity) -> None:
    for item in made.rankings:
        main = made.spec.main
        first = next(iter(item.indices.values()))
        longest = max(found[main].estimate.high for found in item.indices.values()) or 1.0
        rows: list[tuple[Any, ...]] = [("input", "", first[main].kind, first[1 - main].kind)]
        for name in [*item.indices][:RANKED]:
            found = item.indices[name]
            told = "" if found[main].told else " (not told from nothing)"
            rows.append(
                (
                    name,
                    _bar(found[main].estimate.value, longest),
                    f"{number_between(found[main].estimate)}{told}",
                    number_between(found[1 - main].estimate),
                )
            )
        write_prose(f"{item.title}, {item.arm}")
        print_table(rows)
        for one in item.deciding:
            write_prose(f"yes rather where {one}")


def number_between(found: Any, unit: str = "") -> str:
    """1.23 (1.1 to 1.4), with three digits at most."""
    from backfire.formatting import number

    value, low, high = (number(part) if math.isfinite(part) else "–" for part in (found.value, found.low, found.high))
    return f"{value}{unit} ({low} to {high})"


def _bar(value: float, longest: float, width: int = 20) -> str:
    return "█" * max(0, round(width * value / longest))


def study_loaders() -> dict[FileKind, Loader]:
    """How `backfire check` reads the files of studies."""
    from backfire.reports import CheckedFile
    from backfire.scenario import ABLATION, SENSITIVITY, TRIAL, Library
    from backfire.studies import load_ablation, load_sensitivity, load_trial

    def loader(kind: FileKind, load: Callable[[str | Path, Library], StudySpec]) -> Loader:
        def read(source: str | Path, library: Library) -> CheckedFile:
            spec = load(source, library)
            content = f"{kind.name} of {spec.scenario.name}: {spec.count} members, {len(spec.arms)} arms"
            return CheckedFile(spec.name, kind.name, content, [spec.scenario])

        return read

    return {
        kind: loader(kind, load)
        for kind, load in ((ABLATION, load_ablation), (TRIAL, load_trial), (SENSITIVITY, load_sensitivity))
    }
