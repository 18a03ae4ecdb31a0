"""Scenario files: every mistake of a user is one clear line at the right place, every attack is refused at once."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backfire
from backfire.errors import SHOWN_PROBLEMS, DocumentError, Problem, echo, nearest, unknown
from backfire.mechanisms import shipped
from backfire.model.components import Mechanism, Parameter, Part, option
from backfire.scenario.scenario import Scenario, load, parse, parse_data, shipped_scenarios
from backfire.scenario.schema import ScenarioFile, json_schema
from backfire.scenario.toml import LARGEST_FILE, Document, parse_document, read_document
from backfire.simulation.arms import simulate

TEXT = """\
title   = "A drug and the stroma"
days    = 120
record_every = 0.5

[mechanisms]
growth       = { law = "logistic" }
pharmacology = { agents = ["mitoxantrone", "anti_wnt16b"] }
kill         = { by = ["mitoxantrone"] }
stroma       = { factor = "wnt16b", damaged_by = ["mitoxantrone"] }
blockade     = { of = "wnt16b", by = "anti_wnt16b" }

[parameters]
growth_rate   = { value = 0.115, source = "PC3 xenografts double in 5-8 days", grade = "recalled" }
capacity      = 1e9

[switches]
stroma = { protects_kill = 0.5 }

[regimens]
mitoxantrone = { amount = 4.0, start = 21, every = 14, count = 4 }
anti_wnt16b  = { amount = 4.0, start = 21, every = 7,  count = 8 }

[arms]
untreated   = []
monotherapy = ["mitoxantrone"]
combination = ["mitoxantrone", "anti_wnt16b"]
"""


def edited(old: str, new: str, text: str = TEXT) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def line_of(part: str, text: str) -> int:
    (number,) = [number for number, line in enumerate(text.split("\n"), start=1) if part in line]
    return number


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(DocumentError) as caught:
        parse(text, "case.toml")
    for problem in caught.value.problems:
        assert problem.file == "case.toml"
        assert "\n" not in problem.message
        assert len(str(problem)) < 400
    return caught.value.problems


def test_the_text_is_right_as_it_stands() -> None:
    scenario = parse(TEXT)
    assert scenario.warnings == ()
    assert scenario.values["growth_rate"] == 0.115
    assert scenario.switches["stroma.protects_kill"] == 0.5
    assert scenario.switches["blockade.neutralises"] == 1
    assert scenario.untreated == "untreated"
    assert scenario.reference == "monotherapy"
    assert [dose.time for dose in scenario.doses("monotherapy")] == [21, 35, 49, 63]


# The mistakes that people make.

MISTAKES = {
    "misspelt optional key": ("record_every = 0.5", "record_evry = 0.5", "record_evry", ["unknown key", "did you mean `record_every`"]),
    "misspelt required key": ("days    = 120", "dayz    = 120", "dayz", ["unknown key", "did you mean `days`"]),
    "misspelt table": ("[switches]", "[switch]", "[switch]", ["did you mean `switches`"]),
    "misspelt parameter": ("capacity  ", "capcity  ", "capcity", ["unknown parameter", "did you mean `capacity`"]),
    "misspelt mechanism": ("stroma       =", "strom       =", "strom  ", ["unknown mechanism", "did you mean `stroma`"]),
    "misspelt option": ('law = "logistic"', 'lawe = "logistic"', "lawe", ["unknown key `lawe`", "did you mean `law`"]),
    "misspelt choice": ('law = "logistic"', 'law = "logistik"', "logistik", ["`logistik`", "did you mean `logistic`"]),
    "misspelt influence": ("protects_kill", "protects_kil", "protects_kil", ["did you mean `stroma.protects_kill`"]),
    "misspelt agent in a mechanism": ('kill         = { by = ["mitoxantrone"]', 'kill = { by = ["mitoxantron"]', "mitoxantron\"", ["did you mean", "mitoxantron"]),
    "misspelt grade": ('"recalled"', '"recaled"', "recaled", ["did you mean `recalled`"]),
    "misspelt regimen field": ("every = 14, count", "evry = 14, count", "evry", ["unknown key `evry`", "did you mean `every`"]),
    "misspelt field of a parameter": ("{ value = 0.115,", "{ valeu = 0.115,", "valeu", ["did you mean `value`"]),
    "string for a number": ("amount = 4.0, start = 21, every = 14", 'amount = "4.0", start = 21, every = 14', '"4.0"', ["must be a number", "without quotes"]),
    "string for a parameter": ("= 1e9", '= "1e9"', '"1e9"', ["must be a number", "without quotes"]),
    "string for a value": ("value = 0.115", 'value = "0.115"', '"0.115"', ["must be a number", "without quotes"]),
    "true for a number": ("days    = 120", "days    = true", "true", ["must be a number", "true"]),
    "true for a parameter": ("= 1e9", "= true", "true", ["must be a number"]),
    "number for a list": ("untreated   = []", "untreated   = 0", "untreated", ["must be a list"]),
    "fraction of a dose count": ("count = 4 ", "count = 4.5 ", "count = 4.5", ["must be a whole number"]),
    "negative dose": ("amount = 4.0, start = 21, every = 14", "amount = -4.0, start = 21, every = 14", "-4.0", ["amount", "-4", "≥ 0"]),
    "negative parameter": ("= 1e9", "= -1e9", "-1e9", ["negative", "≥ 0"]),
    "no dose": ("amount = 4.0, start = 21, every = 14", "start = 21, every = 14", "every = 14", ["needs an `amount`"]),
    "dose after the end": ("count = 4 ", "count = 40 ", "count = 40", ["day 567", "after the end", "day 120", "raise `days`"]),
    "overlapping infusion": ("every = 14", "every = 14, duration = 15", "duration", ["overlaps"]),
    "unknown agent": ("mitoxantrone = { amount", 'mitoxantrone = { agent = "mitoxantron", amount', 'agent = "m', ["unknown agent `mitoxantron`", "did you mean `mitoxantrone`"]),
    "unknown regimen in an arm": ('monotherapy = ["mitoxantrone"]', 'monotherapy = ["mitoxantron"]', "monotherapy", ["unknown regimen `mitoxantron`", "did you mean `mitoxantrone`"]),
    "regimen twice in an arm": ('monotherapy = ["mitoxantrone"]', 'monotherapy = ["mitoxantrone", "mitoxantrone"]', "monotherapy", ["twice"]),
    "unknown reference": ("days    = 120", 'days = 120\nreference = "monotherpy"', "reference", ["did you mean `monotherapy`"]),
    "not a number": ("= 1e9", "= nan", "nan", ["finite", "nan"]),
    "not a number as value": ("value = 0.115", "value = nan", "nan", ["finite", "nan"]),
    "not a number as dose": ("amount = 4.0, start = 21, every = 14", "amount = nan, start = 21, every = 14", "nan", ["finite", "nan"]),
    "infinite days": ("days    = 120", "days    = inf", "inf", ["finite", "inf"]),
    "duplicate key": ("record_every = 0.5", "days = 100", "days = 100", ["`days` is given twice"]),
    "duplicate parameter": ("capacity      = 1e9", "capacity = 1e9\ncapacity = 2e9", "2e9", ["`capacity` is given twice"]),
    "duplicate table": ("[arms]", "[parameters]\n[arms]", None, ["`parameters` is given twice"]),
    "key below the wrong table": ("capacity      = 1e9", "reference = 3", "reference", ["belongs at the top of the file", "[parameters]"]),
    "key below the regimens": ("[regimens]", "[regimens]\ndays = 3", "days = 3", ["belongs at the top of the file", "[regimens]"]),
    "key below the arms": ("[arms]", '[arms]\nreference = "monotherapy"', "reference", ["belongs at the top of the file", "[arms]"]),
    "key below the mechanisms": ("[mechanisms]", "[mechanisms]\ndays = 3", "days = 3", ["belongs at the top of the file", "[mechanisms]"]),
    "unknown unit": ("value = 0.115", 'value = 0.115, unit = "1/dya"', "1/dya", ["did you mean `day`"]),
    "wrong unit": ("value = 0.115", 'value = 0.115, unit = "cell"', 'unit = "cell"', ["`cell` cannot be converted into `1/day`"]),
    "unit beyond all measure": ("value = 0.115", 'value = 0.115, unit = "week^1000"', "week", ["unit"]),
    "no source": (', source = "PC3 xenografts double in 5-8 days"', "", "0.115", ["grade `recalled` needs a `source`"]),
    "no regimen start": ("amount = 4.0, start = 21, every = 14", "amount = 4.0, every = 14", "every = 14", ["`start` is missing"]),
    "switch above one": ("protects_kill = 0.5", "protects_kill = 1.5", "protects_kill", ["1"]),
    "two untreated arms": ("untreated   = []", "untreated   = []\nnothing = []", None, ["one untreated arm is enough"]),
    "capital letters in a name": ("monotherapy =", "Monotherapy =", "Monotherapy", ["lower-case"]),
    "too many rows": ("record_every = 0.5", "record_every = 1e-9", "record_every", ["more than 100000"]),
    "no days": ("days    = 120", "days    = 0", "days    = 0", ["greater than 0"]),
    "a century of days": ("days    = 120", "days    = 99999", "99999", ["36500"]),
    "half a table": ("[parameters]", "[parameters", "[parameters", ["not valid TOML"]),
    "unquoted text": ('law = "logistic"', "law = logistic", "law = logistic", ["not valid TOML"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_problem_at_its_line(mistake: str) -> None:
    old, new, place, words = MISTAKES[mistake]
    text = edited(old, new)
    found = problems(text)
    assert len(found) == 1, "\n".join(map(str, found))
    for word in words:
        assert word in str(found[0])
    if place is not None:
        assert found[0].line == line_of(place, text), str(found[0])
    else:
        assert found[0].line > 0


def test_all_mistakes_are_reported_at_once() -> None:
    text = edited("record_every = 0.5", "record_evry = 0.5")
    text = edited("law =", "lawe =", text)
    text = edited("amount = 4.0, start = 21, every = 14", 'amount = "4", start = 21, every = 14', text)
    text = edited("[arms]", "[arms]\nextra = 3", text)
    assert {problem.line for problem in problems(text)} == {
        line_of(part, text) for part in ("record_evry", "lawe", '"4"', "extra")
    }


def test_all_mistakes_of_meaning_are_reported_at_once() -> None:
    text = edited("capacity  ", "capcity  ")
    text = edited("protects_kill", "protects_kil", text)
    text = edited("count = 4 ", "count = 40 ", text)
    text = edited('monotherapy = ["mitoxantrone"]', 'monotherapy = ["mitoxantron"]', text)
    found = {problem.line for problem in problems(text)}
    assert found == {line_of(part, text) for part in ("capcity", "protects_kil", "count = 40", "monotherapy")}


def test_thousands_of_mistakes_are_counted_and_cut_short() -> None:
    doses = "\n".join(f"dose_{index} = {{ amount = 'x', start = 0 }}" for index in range(9000))
    with pytest.raises(DocumentError) as caught:
        parse(edited("[regimens]", f"[regimens]\n{doses}"))
    assert len(caught.value.problems) == 9000
    text = str(caught.value)
    assert len(text.splitlines()) == SHOWN_PROBLEMS + 1
    assert "8980 more problems (9000 in all)" in text
    assert len(text) < 10_000


def test_numbers_beyond_double_precision_are_shown_as_written() -> None:
    (found,) = problems(edited("= 1e9", "= 1e400"))
    assert "1e400" in str(found)


@pytest.mark.parametrize("value", ["1e-400", "0.0000000000e-9999"])
@pytest.mark.parametrize(("old", "key"), [("record_every = 0.5", "record_every"), ("days    = 120", "days")])
def test_numbers_that_vanish_are_refused_where_nothing_is_not_allowed(value: str, old: str, key: str) -> None:
    new = re.sub(rf"({key}\s*=\s*)[0-9.]+", rf"\g<1>{value}", old)
    text = edited(old, new)
    (found,) = problems(text)
    assert found.line == line_of(value, text)
    assert key in str(found) or value in str(found)


# Fields of numbers, found by walking the schema.


def _numbers(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    definitions = ScenarioFile.model_json_schema()["$defs"]
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("type") in ("number", "integer"):
        yield path
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _numbers(branch, path)
    for name, inner in schema.get("properties", {}).items():
        yield from _numbers(inner, (*path, name))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _numbers(schema["additionalProperties"], (*path, "*"))
    if isinstance(schema.get("items"), dict):
        yield from _numbers(schema["items"], (*path, "#"))


NAMES = {"parameters": "growth_rate", "regimens": "mitoxantrone"}
FIELDS = sorted(set(_numbers(ScenarioFile.model_json_schema())) - {("parameters", "*", "range", "#")})


@pytest.mark.parametrize("field", FIELDS, ids=".".join)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1e6", True, -1.0, [1.0], {"x": 1.0}, None, "Infinity"])
def test_no_field_takes_what_is_not_its_number(field: tuple[str, ...], value: Any) -> None:
    data = parse_document(TEXT, "case").data
    data.setdefault("outcomes", {})
    target = data
    path = list(field)
    for index, part in enumerate(path):
        if part == "*":
            path[index] = NAMES.get(path[0], "protects_kill" if index == 2 else "stroma")
    for part in path[:-1]:
        target = target.setdefault(part, {}) if isinstance(target, dict) else target
    target[path[-1]] = value
    if value is None and field[-1] in ("amount", "from", "until", "progression_level"):
        return  # left out: for surgery, for times that count from the first treatment, for a bolus
    with pytest.raises(DocumentError):
        parse_data(data, "case")


def test_the_walk_found_the_fields() -> None:
    assert {
        ("days",),
        ("record_every",),
        ("regimens", "*", "amount"),
        ("switches", "*", "*"),
        ("parameters", "*", "value"),
    } <= set(FIELDS)
    assert len(FIELDS) >= 15


# Attacks on the reader.

BOMBS = {
    "nested arrays": "x = " + "[" * 100_000,
    "nested arrays, closed": "x = " + "[" * 1000 + "]" * 1000,
    "nested arrays over lines": "x = " + "[\n" * 100_000,
    "nested tables": "x = " + "{ a = " * 100_000,
    "nested tables over lines": "x = [\n" + "{ a = [\n" * 2_000,
    "dotted key": ".".join(["a"] * 20_000) + " = 1",
    "dotted key after spaces": " " * 10_001 + ".".join(["a"] * 400) + " = 1",
    "dotted key in a table": "x = { " + ".".join(["a"] * 400) + " = 1 }",
    "dotted key in a wide table": "x = { " + " " * 10_001 + ".".join(["a"] * 400) + " = 1 }",
    "dotted table": "[" + ".".join(["a"] * 20_000) + "]",
    "quoted dotted key": ".".join(['"a"'] * 20_000) + " = 1",
    "400 digits": "x = " + "9" * 400,
    "5000 digits": "x = " + "9" * 5000,
    "hexadecimal digits": "x = 0x" + "f" * 400,
    "binary digits": "x = 0b" + "1" * 4000,
    "underscores": "x = " + "1_" * 300 + "1",
    "unclosed text": 'x = "' + "a" * 1000,
    "unclosed long text": 'x = """' + "a\n" * 1000,
    "zero byte": "x = 1\x00",
    "control character": "x = 'a\x07'",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused(bomb: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(BOMBS[bomb], "case.toml")
    assert len(caught.value.problems) == 1
    assert len(str(caught.value)) < 300


LONG_LINES = ("# " + "z" * 9_000, "x{} = '" + "z" * 9_000 + "'", "z" * 9_000 + "{} = 1", "# " + "a." * 18, "# " + '"' * 9_000)


def test_long_lines_do_not_stall_the_reader(tmp_path: Path) -> None:
    """A megabyte of long lines, in a process of its own: a search that starts anew at each letter takes minutes."""
    path = tmp_path / "case.toml"
    lines = [line.replace("{}", str(number)) for number in range(25) for line in LONG_LINES]
    path.write_text("\n".join(lines))
    assert path.stat().st_size < LARGEST_FILE
    code = "import sys; from backfire.scenario import read_document; print(len(read_document(sys.argv[1]).data))"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.strip() == "50", done.stderr[-300:]


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "/dev/zero", "/dev/null-ish", "large", "long name", "zero byte"])
def test_only_small_regular_files_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "/dev/zero":
            path = Path(kind)
        case "large":
            path.write_text("#" * (LARGEST_FILE + 1))
        case "long name":
            path = tmp_path / ("x" * 300 + ".toml")
        case "zero byte":
            path = Path("case\0.toml")
        case _:
            pass
    with pytest.raises(DocumentError) as caught:
        load(path)
    assert len(caught.value.problems) == 1
    assert str(path).split("\0", maxsplit=1)[0][:40] in str(caught.value)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "a\0b", "", ".", "..", "/", "nosuch", "../nosuch", "wnt16b"])
def test_names_that_are_no_scenario(name: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load(name)
    assert len(caught.value.problems) == 1
    assert str(caught.value).isprintable()


def test_the_nearest_shipped_scenario_is_named() -> None:
    with pytest.raises(DocumentError, match="did you mean `wnt16b-stroma`"):
        load("wnt16b-strom")


@pytest.mark.parametrize("how", ["plain", "bom", "crlf", "bom and crlf", "no newline at the end"])
def test_ways_to_write_the_same_file(how: str, tmp_path: Path) -> None:
    raw = TEXT.encode()
    raw = raw.replace(b"\n", b"\r\n") if "crlf" in how else raw
    raw = b"\xef\xbb\xbf" + raw if "bom" in how else raw
    raw = raw.rstrip() if "no newline" in how else raw
    path = tmp_path / "case.toml"
    path.write_bytes(raw)
    scenario = load(path)
    assert scenario.name == "case"
    assert scenario.values == parse(TEXT).values
    assert scenario.document.lines == parse(TEXT).document.lines


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-16-le"])
def test_other_encodings_are_refused(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_bytes(edited("A drug", "Ein Präparat").encode(encoding))
    with pytest.raises(DocumentError) as caught:
        load(path)
    assert len(caught.value.problems) == 1
    assert "UTF-8" in str(caught.value) or "not valid TOML" in str(caught.value)


BAD_NAMES = [
    "../x", "/etc/x", "a/b", "a\\\\b", "..", ".", "CON", "nul.txt", "x.", "x ", " x", "a b", "x" * 65, "X", "größe", "х", "a\\u202Eb",
    "a\\u0000b", "a\\nb", "-x", "1x", "a__b", "",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("table", ["arms", "regimens"])
def test_names_that_could_be_paths_or_look_alikes_are_refused(name: str, table: str) -> None:
    line = (
        f'"{name}" = ["mitoxantrone"]' if table == "arms" else f'"{name}" = {{ agent = "mitoxantrone", amount = 1, start = 0 }}'
    )
    for problem in problems(edited(f"[{table}]", f"[{table}]\n{line}")):
        assert str(problem).isprintable()


@pytest.mark.parametrize("key", ["title", "note"])
@pytest.mark.parametrize("letter", ["\\u202E", "\\u0007", "\\u0000", "\\u200B", "\\u2066", "\\uFEFF"])
def test_control_and_direction_characters_are_refused(key: str, letter: str) -> None:
    text = edited('title   = "', f'title = "x{letter}') if key == "title" else edited("days ", f'note = "x{letter}"\ndays ')
    (found,) = problems(text)
    assert (found.key, found.line) == (key, line_of(f"{key} = ", text))
    assert "plain text" in found.message


@given(st.text(max_size=80))
def test_echoes_are_short_and_printable(text: str) -> None:
    shown = echo(text)
    assert len(shown) < 10 * 60
    assert not any(unicodedata.category(letter)[0] == "C" for letter in shown)
    if all(unicodedata.category(letter)[0] != "C" for letter in text) and len(text) <= 60:
        assert shown == text


@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=10), max_size=5))
def test_nearest_names_are_allowed_names(text: str, allowed: list[str]) -> None:
    found = nearest(text, allowed)
    assert found is None or found in allowed
    assert unknown("thing", text, allowed).startswith("unknown thing `")


@given(st.integers(0, len(TEXT) - 1), st.text(min_size=0, max_size=3), st.integers(0, 5))
def test_mutated_files_are_read_or_explained(position: int, inserted: str, removed: int) -> None:
    text = TEXT[:position] + inserted + TEXT[position + removed :]
    try:
        scenario = parse(text, "case.toml")
    except DocumentError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
    else:
        assert isinstance(scenario, Scenario)


# Lines.


def test_lines_of_keys() -> None:
    document = parse_document(
        'a = 1\n\n[b]\n"c d" = 2\ne.f = 3\n[g.h]\ni = { j = 1, k = [1,\n 2] }\nl = """\nm = 1\n"""\nn = 4\n', "case.toml"
    )
    wanted = {("a",): 1, ("b",): 3, ("b", "c d"): 4, ("b", "e", "f"): 5, ("g", "h"): 6, ("g", "h", "i"): 7, ("g", "h", "i", "k"): 7,
              ("g", "h", "l"): 9, ("g", "h", "n"): 12}  # fmt: skip
    for path, line in wanted.items():
        assert document.line(path) == line, path
    assert ("m",) not in document.lines
    assert ("g", "h", "m") not in document.lines
    assert document.line(("a", "deeper", 3)) == 1
    assert document.line(("nowhere",)) == 0


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
        st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), st.integers(-999, 999), max_size=4),
        max_size=4,
    ),
    st.booleans(),
)
def test_every_key_has_its_line(tables: dict[str, dict[str, int]], inline: bool) -> None:
    lines, wanted = [], {}
    for table, keys in tables.items():
        if inline:
            lines.append(f"{table} = {{ {', '.join(f'{key} = {value}' for key, value in keys.items())} }}")
        else:
            lines.append(f"[{table}]")
        wanted[(table,)] = len(lines)
        for key, value in keys.items():
            if not inline:
                lines.append(f"{key} = {value}  # {table}")
            wanted[table, key] = len(lines)
    document = parse_document("\n".join(lines), "case.toml")
    assert document.data == tables
    assert document.lines == wanted


# Values and units.


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("0.24", 0.24),
        ('{ value = 0.01, unit = "1/hour", source = "s", grade = "assumed" }', 0.24),
        ('{ value = 0.7, unit = "1/week", source = "s", grade = "assumed" }', 0.1),
        ('{ value = 0.0001, unit = "1/minute", source = "s", grade = "assumed" }', 0.144),
        ('{ value = 0.1, unit = "1/day", source = "s", grade = "assumed", range = [0.05, 0.2] }', 0.1),
        ("1", 1.0),
    ],
)
def test_values_are_converted(entry: str, value: float) -> None:
    scenario = parse(re.sub(r"growth_rate .*", f"growth_rate = {entry}", TEXT))
    assert scenario.values["growth_rate"] == pytest.approx(value, rel=1e-15)
    assert scenario.network.parameters["growth_rate"].unit == "1/day"


def test_ranges_are_converted_with_their_value() -> None:
    entry = '{ value = 0.01, unit = "1/hour", range = [0.005, 0.02], source = "s", grade = "paper" }'
    item = parse(re.sub(r"growth_rate .*", f"growth_rate = {entry}", TEXT)).network.parameters["growth_rate"]
    assert item.range == pytest.approx((0.12, 0.48), rel=1e-15)
    assert (item.source, item.grade) == ("s", "paper")


SLIPS = [
    *[(name, factor) for name in ("growth_rate", "capacity") for factor in (24.0, 1e3, 1e6, 1 / 24, 1e-3)],
    *[("starting_cells", factor) for factor in (1e3, 1e6, 1e-3)],  # a tumour 24 times as large is plausible
]


@pytest.mark.parametrize(("name", "factor"), SLIPS)
def test_slips_of_units_are_warned_of(name: str, factor: float) -> None:
    """Days for hours, thousands and millions: possible, so no error, but said aloud."""
    value = parse(TEXT).values[name] * factor
    text = edited("[switches]", f"{name} = {value}\n[switches]", re.sub(rf"{name} .*\n", "", TEXT) if name in TEXT else TEXT)
    (warning,) = parse(text, "case.toml").warnings
    assert warning.startswith(f"case.toml:{line_of(f'{name} =', text)}: {name} = ")
    assert "plausible range" in warning


# Round trips.


@pytest.mark.parametrize("name", shipped_scenarios())
def test_shipped_scenarios_load_without_warnings(name: str) -> None:
    scenario = load(name)
    assert scenario.warnings == ()
    assert scenario.name == name
    assert len(scenario.arms) >= 2


@pytest.mark.parametrize("name", [*shipped_scenarios(), "text"])
def test_resolved_data_reads_back_to_the_same_scenario(name: str) -> None:
    scenario = parse(TEXT) if name == "text" else load(name)
    again = parse_data(json.loads(json.dumps(scenario.resolved(), allow_nan=False)), scenario.name)
    assert again.hash == scenario.hash
    assert again.resolved() == scenario.resolved()
    assert again.network.fingerprint() == scenario.network.fingerprint()
    assert again.constants() == scenario.constants()
    assert again.start_state() == scenario.start_state()
    for arm in scenario.arms:
        assert again.events(arm) == scenario.events(arm)


def test_a_resolved_scenario_runs_to_the_same_bits() -> None:
    scenario = parse(edited("days    = 120", "days    = 90"))
    again = parse_data(scenario.resolved(), scenario.name)
    first, second = simulate(scenario, ["combination"]), simulate(again, ["combination"])
    assert first.ok
    assert first.trajectories["combination"].values.tobytes() == second.trajectories["combination"].values.tobytes()
    assert repr(first.outcomes) == repr(second.outcomes)


CHANGES: dict[str, Any] = {
    "growth_rate": 0.12, "mitoxantrone_kill_rate": 0.9, "stroma.protects_kill": 0.25, "mitoxantrone.amount": 3.0,
    "mitoxantrone.count": 3, "mitoxantrone.start": 20.0, "anti_wnt16b.every": 6.0, "days": 121.0, "record_every": 0.25,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_the_hash_changes_with_everything_that_changes_a_number(name: str) -> None:
    scenario = parse(TEXT)
    changed = scenario.changed({name: CHANGES[name]})
    assert changed.hash != scenario.hash
    assert parse(TEXT).hash == scenario.hash
    assert scenario.changed({}).hash == scenario.hash


@pytest.mark.parametrize(
    ("old", "new"), [("logistic", "gompertz"), ('"recalled"', '"assumed"'), ('["mitoxantrone"]\ncomb', '["anti_wnt16b"]\ncomb')]
)
def test_the_hash_changes_with_the_text(old: str, new: str) -> None:
    assert parse(edited(old, new)).hash != parse(TEXT).hash


def test_the_hash_does_not_depend_on_where_the_file_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for place in ("case.toml", "folder/case.toml"):
        (tmp_path / place).write_text(TEXT)
    hashes = {load(path).hash for path in ("case.toml", tmp_path / "case.toml", "folder/case.toml", "./case.toml")}
    assert len(hashes) == 1


def test_spacing_and_comments_do_not_change_the_hash() -> None:
    assert parse("# a comment\n" + TEXT.replace(" = ", "=")).hash == parse(TEXT).hash


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"growth_rat": 1.0}, "did you mean `growth_rate`"),
        ({"stroma.protects_kil": 1.0}, "did you mean `stroma.protects_kill`"),
        ({"mitoxantrone.amont": 1.0}, "did you mean `mitoxantrone.amount`"),
        ({"growth_rate": -1.0}, "negative"),
        ({"growth_rate": math.nan}, "finite"),
        ({"growth_rate": "0.1"}, "must be a number"),
        ({"days": 10.0}, "after the end"),
        ({"mitoxantrone.count": 2.5}, "whole number"),
        ({"": 1.0}, "unknown name"),
    ],
)
def test_changes_are_checked(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(DocumentError, match=word):
        parse(TEXT).changed(changes)


def test_changes_leave_the_scenario_as_it_was() -> None:
    scenario = parse(TEXT)
    before = json.dumps(scenario.resolved())
    assert scenario.changed({"growth_rate": 0.2, "mitoxantrone.amount": 1.0}).values["growth_rate"] == 0.2
    assert json.dumps(scenario.resolved()) == before


# Mechanisms of one's own.


@dataclasses.dataclass(frozen=True)
class Extra(Mechanism):
    """A constant, for the tests.

    extra_number = 3
    """

    label = "extra"

    size: float = option("a size", default=3.0, example=3.0)

    def parts(self) -> Iterator[Part]:
        yield Parameter("extra_number", self.size, "1", "for a test", range=(1.0, 10.0), source="a test", grade="assumed")


def test_mechanisms_of_ones_own() -> None:
    text = edited("[parameters]", "extra = { size = 4.0 }\n[parameters]")
    assert parse(text, mechanisms=[Extra]).values["extra_number"] == 4
    assert "extra" not in shipped()
    (found,) = problems(text)
    assert "unknown mechanism `extra`" in found.message


def test_one_mechanism_under_two_labels() -> None:
    text = edited("[parameters]", 'again = { mechanism = "extra" }\nextra = {}\n[parameters]')
    with pytest.raises(DocumentError, match="already owned by mechanism `again`"):
        parse(text, mechanisms=[Extra])


def test_the_schema_knows_all_mechanisms_and_reads_as_json() -> None:
    schema = json.loads(json.dumps(json_schema(), allow_nan=False))
    assert set(schema["properties"]["mechanisms"]["properties"]) == set(shipped())
    for label, kind in shipped().items():
        given_options = {item.name for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
        assert given_options <= set(schema["properties"]["mechanisms"]["properties"][label]["properties"])


def test_documents_are_read_from_files(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(TEXT)
    document = read_document(path)
    assert isinstance(document, Document)
    assert document.name == str(path)
    assert document.data == parse_document(TEXT, "x").data


@pytest.mark.parametrize(
    "asked",
    [backfire.simulate, backfire.run, backfire.explain, backfire.export, backfire.find_idle],
    ids=lambda function: function.__name__,
)
def test_a_name_where_a_scenario_is_expected_is_told_how_to_get_one(asked: Callable[[Any], object]) -> None:
    with pytest.raises(backfire.BackfireError, match=r"expected a scenario, not `wnt16b-stroma`; `backfire\.load` reads one"):
        asked("wnt16b-stroma")


def test_one_arm_is_a_list_of_one() -> None:
    scenario = backfire.load("wnt16b-stroma")
    with pytest.raises(backfire.BackfireError, match=r"arms are a list of names: \['monotherapy'\]"):
        backfire.simulate(scenario, "monotherapy")
    with pytest.raises(backfire.BackfireError, match="name at least one arm; there are untreated"):
        backfire.simulate(scenario, [])


def test_no_number_of_doses_is_too_large_to_be_refused() -> None:
    with pytest.raises(backfire.BackfireError, match=r"1e\+300 doses are more than"):
        backfire.load("wnt16b-stroma").changed({"mitoxantrone.count": 10**400})
