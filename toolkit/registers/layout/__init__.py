"""What a layout is: how a delivered file looks and where its fields go, as data.

A layout is one TOML file: `readers` read files by it, `values` decode its fields, `rules` check
them, `reconcile` fills the canonical tables.
"""

from toolkit.registers.layout.reading import (
    built_in,
    layout,
    layouts,
    read_layout,
)
from toolkit.registers.layout.spec import (
    GIVEN,
    HERE,
    PART,
    Certainty,
    FieldSpec,
    FieldType,
    Format,
    Layout,
    Period,
    RuleSpec,
    Severity,
    TableSpec,
    Unit,
    Via,
    Words,
    code_lists,
)

__all__ = [
    "GIVEN",
    "HERE",
    "PART",
    "Certainty",
    "FieldSpec",
    "FieldType",
    "Format",
    "Layout",
    "Period",
    "RuleSpec",
    "Severity",
    "TableSpec",
    "Unit",
    "Via",
    "Words",
    "built_in",
    "code_lists",
    "layout",
    "layouts",
    "read_layout",
]  # fmt: skip
