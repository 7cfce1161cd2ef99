"""Every kernel text under ASan, UBSan and TSan, and planted faults that each has to find (`pytest -m sanitisers`)."""

import platform

import pytest
from bionas_cupy.engine.cuda.source import stems
from emulator.build import compiler_missing
from emulator.planted import TEXTS
from emulator.sanitise import in_child

pytestmark = [
    pytest.mark.sanitisers,
    pytest.mark.skipif(bool(compiler_missing()), reason=compiler_missing()),
    pytest.mark.skipif(platform.system() != "Linux", reason="sanitisers are preloaded as Linux does it"),
    pytest.mark.timeout(900),
]


@pytest.mark.parametrize("sanitiser", ["address", "thread"])
@pytest.mark.parametrize("stem", stems())
def test_a_text_is_clean(stem: str, sanitiser: str) -> None:
    status, said = in_child(sanitiser, "examples", stem)
    assert status == 0, said[-3000:]
    assert f"{stem}: clean" in said


@pytest.mark.parametrize("name", TEXTS)
def test_a_planted_fault_is_found(name: str) -> None:
    sanitiser, *_, word = TEXTS[name]
    status, said = in_child(sanitiser, "planted", name, "right")
    assert status == 0, said[-3000:]
    assert "clean" in said
    status, said = in_child(sanitiser, "planted", name, "wrong")
    assert status != 0
    assert word in said, said[-3000:]
