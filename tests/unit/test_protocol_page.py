"""The protocol: checked word by word, on one page, the same wherever it is read from."""

from __future__ import annotations

import json
import tomllib
from html.parser import HTMLParser

import pytest

from toolkit import effects
from toolkit.effects.protocol_page import words
from toolkit.effects.registry import registry
from toolkit.errors import CallError, HorizonError, InputError, UnknownOptionError

EXAMPLE = tomllib.loads(effects.example_protocol())


def changed(path, value):
    """Return the example with one thing changed; None takes it away."""
    found = json.loads(json.dumps(EXAMPLE, default=str))
    *parts, last = path.split(".")
    at = found
    for part in parts:
        at = at[int(part) if part.isdigit() else part]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return found


def test_the_example_holds():
    found = effects.protocol(EXAMPLE)
    assert found.notes == ()
    assert found.horizons == (6, 12, 24, 36)
    assert found.method.key == "risk_sets"
    assert found.thresholds.max_placebo == 0.01


@pytest.mark.parametrize("language", ["nl", "en"])
def test_the_page_serves_the_four_purposes(language):
    found = effects.protocol(EXAMPLE)
    text = found.text(language)
    for number, purpose in enumerate(words(language)["purpose"].values(), start=1):
        assert f"{number}. {purpose}" in text
    flat = " ".join(text.split())
    for part in ("question", "aim", "instrument", "target_group"):
        assert EXAMPLE["policy"][part] in flat
    one = registry()["risk_sets"]
    for what in ("assumption", "diagnostics", "report", "data"):
        assert one.text(what, language) in flat
    assert "0.01" in flat
    assert max(map(len, text.splitlines())) <= 100


def test_both_languages_say_the_same_things():
    def keys(value):
        return {k: keys(v) for k, v in value.items()} if isinstance(value, dict) else None

    nl, en = words("nl"), words("en")
    for part in ("purpose", "row", "estimand", "claim", "criterion", "note"):
        assert keys(nl[part]) == keys(en[part])
    assert len(nl["concepts"]) == len(en["concepts"])
    assert set(nl["criterion"]) == set(effects.Thresholds(**dict.fromkeys(
        ("max_smd", "min_support", "min_ess", "min_events", "min_observed", "min_placebo_p",
         "max_placebo"), 0)).asked())  # fmt: skip


def test_the_page_is_whole_and_its_text_is_escaped():
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.seen = [], []

        def handle_starttag(self, tag, attrs):
            self.seen.append((tag, dict(attrs)))
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    html = effects.protocol(changed("title", "Werk <b>&</b> inkomen")).html("nl")
    assert "Werk &lt;b&gt;&amp;&lt;/b&gt; inkomen" in html
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert not {"script", "link", "img"} & {tag for tag, _ in tags.seen}
    assert ("html", {"lang": "nl"}) in tags.seen


def test_saved_and_read_back_it_is_the_same(tmp_path):
    found = effects.protocol(changed("thresholds", None))
    assert found.notes == ("default",)
    page = found.save(tmp_path, language="en")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "protocol.html", "protocol.json", "protocol.txt",
    ]  # fmt: skip
    assert page.read_text(encoding="utf-8") == found.html("en")
    back = effects.protocol(tmp_path / "protocol.json")
    assert back == found
    assert back.fingerprint == found.fingerprint
    saved = json.loads((tmp_path / "protocol.json").read_text(encoding="utf-8"))
    assert saved["method"]["net"] is True
    assert effects.gate(back.thresholds).thresholds == found.thresholds


def test_another_threshold_is_another_fingerprint():
    other = effects.protocol(changed("thresholds.max_smd", 0.2))
    assert other.fingerprint != effects.protocol(EXAMPLE).fingerprint
    again = effects.protocol(dict(reversed(EXAMPLE.items())))
    assert again.fingerprint == effects.protocol(EXAMPLE).fingerprint


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("titel", "x", "'titel' is not a word.*did you mean 'title'"),
        ("policy.instrumnt", "x", "policy.instrumnt.*did you mean 'instrument'"),
        ("indicators.0.horizon", [1], "indicators.1.horizon.*did you mean 'horizons'"),
        ("thresholds.maxsmd", 0.1, "did you mean 'max_smd'"),
        ("zebra", 1, "the words are title, written, authors"),
        ("policy.aim", None, "'aim' is missing.*policy.aim"),
        ("policy.aim", "  ", "'aim' is empty"),
        ("indicators", [], "'indicators' is empty"),
        ("written", "yesterday", "'written' is a date"),
        ("data.follow_up_months", "long", "'follow_up_months' is a whole number"),
        ("data.sources", "jobs", r"'sources' is a list"),
        ("research.estimand", "AT", "'estimand' cannot be 'AT'.*did you mean 'ATT'"),
        ("design.method", "risk_set", "no method of the registry.*did you mean 'risk_sets'"),
        ("design.beside", ["wieghting"], "design.beside.*did you mean 'weighting'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(path, value, said):
    with pytest.raises(InputError, match=said):
        effects.protocol(changed(path, value))


def test_a_horizon_past_the_data_is_refused():
    with pytest.raises(HorizonError, match="asked at 36 months, and people are followed for 30"):
        effects.protocol(changed("data.follow_up_months", 30))


@pytest.mark.parametrize(
    ("path", "value", "note"),
    [
        ("design.method", "naive", "gross"),
        ("indicators", [{"name": "work", "definition": "a job", "horizons": [6]}], "short"),
        ("data.history_months", 12, "history"),
        ("design.covariates", [], "covariates"),
    ],
)
def test_what_a_reader_must_mind_is_printed(path, value, note):
    found = effects.protocol(changed(path, value))
    assert found.notes == (note,)
    for language in ("nl", "en"):
        assert words(language)["note"][note] in found.text(language)


def test_files_that_are_none(tmp_path):
    with pytest.raises(CallError, match="no protocol"):
        effects.protocol(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("title = ", encoding="utf-8")
    with pytest.raises(InputError, match="not valid TOML"):
        effects.protocol(tmp_path / "bad.toml")
    (tmp_path / "bad.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="no table"):
        effects.protocol(tmp_path / "bad.json")
    with pytest.raises(UnknownOptionError, match="language"):
        effects.protocol(EXAMPLE).text("fr")
