"""Settings from the environment: what is misspelt, unparsable or infinite is refused by its name."""

from __future__ import annotations

import math

import pytest

from agent.domain import Finding
from agent.errors import SettingsError
from agent.settings import load_settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FOVEA_DIAL", "notjson", "FOVEA_DIAL"),
        ("FOVEA_DAIL__SCALE", "1", "did you mean FOVEA_DIAL__SCALE"),
        ("FOVEA_DIAL__SCLAE", "1", "DIAL__SCLAE"),
        ("FOVEA_NONSENSE", "1", "FOVEA_NONSENSE"),
        ("fovea_dail__scale", "1", "fovea_dail__scale"),
        ("FOVEA_DIAL__INITIAL_THRESHOLD", "inf", "FOVEA_DIAL__INITIAL_THRESHOLD"),
        ("FOVEA_DIAL__SCALE", "nan", "FOVEA_DIAL__SCALE"),
        ("FOVEA_ABSTENTION__MAX_ENTROPY", '{"atlas": Infinity}', "FOVEA_ABSTENTION"),
    ],
)
def test_a_setting_that_cannot_work_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_way_of_giving_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_DIAL__SCALE", "0.25")
    monkeypatch.setenv("FOVEA_KNOWLEDGE", '{"embedding_model": "here"}')
    monkeypatch.setenv("FOVEA_ABSTENTION__MAX_ENTROPY__atlas", "1.5")
    monkeypatch.setenv("FOVEA_TEST_VLLM_URL", "http://127.0.0.1:1")
    settings = load_settings()
    assert (settings.dial.scale, settings.knowledge.embedding_model) == (0.25, "here")
    assert settings.abstention.max_entropy == {"atlas": 1.5}


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_no_value_of_the_domain_is_infinite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Finding(finding_id="esr", name="ESR", presence="present", source="measurement", value=value)
