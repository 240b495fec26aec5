"""Words and numbers in both languages."""

from __future__ import annotations

import re
from datetime import date

import pytest

from toolkit import reporting
from toolkit.errors import CallError, UnknownOptionError
from toolkit.registers import codes
from toolkit.reporting.labels.lookup import read_labels
from toolkit.reporting.language import LANGUAGES, current_language, speak


def test_both_languages_have_the_same_keys_and_ask_for_the_same_values():
    dutch, english = (read_labels(language) for language in LANGUAGES)
    assert dutch.keys() == english.keys()
    for key, words in dutch.items():
        asked = set(re.findall(r"\{(\w+)\}", words))
        assert asked == set(re.findall(r"\{(\w+)\}", english[key])), key
        assert words.strip() == words
        assert words


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("scheme", codes.SCHEME), ("sex", codes.SEX), ("origin", codes.ORIGIN),
        ("education", codes.EDUCATION), ("household", codes.HOUSEHOLD),
        ("claim_role", codes.CLAIM_ROLE), ("size_class", codes.SIZE_CLASS),
        ("instrument", codes.INSTRUMENT), ("aim", codes.AIM), ("target_group", codes.TARGET_GROUP),
        ("job_kind", codes.JOB_KIND), ("contract", codes.CONTRACT),
        ("benefit_end", codes.BENEFIT_END), ("benefit_start", codes.BENEFIT_START),
        ("programme_end", codes.PROGRAMME_END),
        ("state", ("work", "work_and_benefit", "subsidised_work", "wwb", "ww", "disability", "nug",
                   "student", "other", "emigrated", "dead", "pension")),
        ("destination", ("work", "other_benefit", "studies", "emigrated", "died", "pension",
                         "other")),
    ],
)  # fmt: skip
def test_every_code_of_the_register_has_a_name(section, values):
    for language in LANGUAGES:
        with speak(language):
            assert all(reporting.label(f"{section}.{value}") for value in values)


def test_every_code_list_has_a_name_of_its_own():
    sections = {key.split(".")[0] for key in read_labels("nl")}
    lists = sections - {
        "figure", "table", "number", "axis", "mark", "word", "note", "measure", "selection",
        "document",
    }  # fmt: skip
    assert {f"word.{section}" for section in lists} <= set(read_labels("nl"))


def test_unknown_label_names_the_nearest():
    with pytest.raises(CallError, match=r"scheme\.wwb"):
        reporting.label("scheme.wbb")


def test_label_without_its_value_says_which():
    with pytest.raises(CallError, match="'number'"):
        reporting.label("figure.number")


def test_own_labels_go_first_and_unknown_codes_stay():
    assert reporting.name_of("sex", "female", {"female": "meisjes"}) == "meisjes"
    assert reporting.name_of("sex", "female") == "vrouwen"
    assert reporting.name_of("sex", "onbekend") == "onbekend"
    assert reporting.name_of("in_programme", value=True) == "met traject"


def test_language_ends_with_its_block_and_nests():
    assert current_language() == "nl"
    with reporting.style("en"):
        assert reporting.label("state.work") == "work"
        with reporting.style("nl"):
            assert reporting.label("state.work") == "werk"
        with reporting.style():
            assert current_language() == "en"
    assert current_language() == "nl"


def test_unknown_language_is_refused():
    with pytest.raises(UnknownOptionError), reporting.style("de"):
        pass


NUMBERS = [
    (lambda: reporting.format_number(18650), "18.650", "18,650"),
    (lambda: reporting.format_count(1234567.0), "1.234.567", "1,234,567"),
    (lambda: reporting.format_number(-0.04, 1), "0,0", "0.0"),
    (lambda: reporting.format_number(-3.25, 1), "−3,2", "−3.2"),
    (lambda: reporting.format_percent(0.125, 1), "12,5%", "12.5%"),
    (lambda: reporting.format_percent(0.285), "28%", "28%"),
    (lambda: reporting.format_percent(0.007, 1, sign=True), "+0,7%", "+0.7%"),
    (lambda: reporting.format_percent(None), ".", "."),
    (lambda: reporting.format_percent(float("nan")), ".", "."),
    (lambda: reporting.format_points(-0.034), "−3,4 procentpunt", "−3.4 percentage points"),
    (lambda: reporting.format_p_value(0.0004), "< 0,001", "< 0.001"),
    (lambda: reporting.format_p_value(0.0495), "0,050", "0.050"),
    (lambda: reporting.format_date(date(2006, 3, 1)), "1 maart 2006", "1 March 2006"),
    (lambda: reporting.format_month(date(2006, 8, 1)), "augustus 2006", "August 2006"),
]


@pytest.mark.parametrize(("written", "dutch", "english"), NUMBERS)
def test_numbers_as_the_language_writes_them(written, dutch, english):
    assert written() == dutch
    with reporting.style("en"):
        assert written() == english
