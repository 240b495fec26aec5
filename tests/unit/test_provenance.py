"""What the manifest writes, any JSON reader can read."""

from __future__ import annotations

import json
from datetime import date

import numpy as np

from toolkit.provenance import Manifest, hash_file, write_json


def test_numbers_of_any_kind_are_plain_json(tmp_path):
    file = tmp_path / "facts.json"
    values = {
        "array": np.array([1.0, np.nan]),
        "number": np.int64(3),
        "gone": float("inf"),
        "day": date(2006, 1, 31),
        "set": {2, 1},
    }
    write_json(file, values)

    def refuse(name):
        raise ValueError(name)

    read = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    assert read == {
        "array": [1.0, None], "number": 3, "gone": None, "day": "2006-01-31", "set": [1, 2],
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]


def test_outputs_are_recorded_by_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    (tmp_path / "table.csv").write_text("a\n1\n")
    manifest = Manifest(title="test")
    manifest.add_outputs(tmp_path)
    manifest.write(tmp_path / "manifest.json")
    read = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert read["outputs"] == {"table.csv": hash_file(tmp_path / "table.csv")}
    assert read["made"].startswith("1970-01-01")
