"""The differential's arithmetic, on a small atlas of its own where the right numbers can be worked out by hand."""

from __future__ import annotations

import math

import pytest

from agent.domain import Demographics, Finding
from knowledge.differential import OTHER, DifferentialScorer, Parameters
from knowledge.differential.likeness import likeness_nats, passages, profile
from knowledge.library import Library
from knowledge.schema import Condition, FindingEntry

PLAIN = Parameters(prior_weight=1.0, other_prior=0.1, temper=1.0, crowding=0.0, absent=1.0, generic=1.0, beyond=0.5)
NOBODY = Demographics()


def entry(name: str, background: float = 0.1, implies: tuple[str, ...] = (), kind: str = "sign") -> FindingEntry:
    return FindingEntry.model_validate({"id": name, "name": name, "kind": kind, "background": background, "implies": implies})


def condition(name: str, findings: dict[str, tuple[str, ...]], prior: str = "common", **more: object) -> Condition:
    fields = {"id": name, "name": f"The {name}", "icd10": "H00.0", "system": "retina", "urgency": "routine", "description": f"About {name}."}
    return Condition.model_validate({**fields, "prior": prior, "findings": findings, **more})


LIBRARY = Library(
    digest="0",
    findings=(
        entry("bleeding"), entry("flame_bleeding", 0.02, ("bleeding",)), entry("dot_bleeding", 0.02, ("bleeding",)), entry("pain"),
        entry("white_mass", 0.001), entry("fever", 0.01, kind="history"), entry("rash", 0.01),
    ),
    conditions=(
        condition("bleeder", {"hallmark": ("bleeding",), "never": ("pain",)}),
        condition("flamer", {"common": ("flame_bleeding",)}),
        condition("acher", {"hallmark": ("pain", "fever", "rash")}, age={"child": 4.0}),
        condition("masser", {"hallmark": ("white_mass",)}, prior="rare", parent="bleeder"),
    ),
    documents=(), statements=(), rules=(),
)  # fmt: skip


def finding(name: str, presence: str = "present", weight: float = 1.0) -> Finding:
    return Finding.model_validate({"finding_id": name, "name": name, "presence": presence, "source": "narrative", "weight": weight})


@pytest.fixture(scope="module")
def scorer() -> DifferentialScorer:
    return DifferentialScorer(LIBRARY, PLAIN)


def test_nothing_known_leaves_the_priors(scorer: DifferentialScorer) -> None:
    p = scorer.posterior((), NOBODY).probabilities
    assert p[OTHER] == pytest.approx(0.1)
    assert math.fsum(p.values()) == pytest.approx(1)
    assert p["bleeder"] / p["masser"] == pytest.approx(0.025 / 0.002)


def test_a_finding_that_is_present_multiplies_the_odds_by_its_noisy_or_ratio(scorer: DifferentialScorer) -> None:
    before, after = (scorer.posterior(fs, NOBODY).probabilities for fs in ((), (finding("bleeding"),)))
    gained = (after["bleeder"] / after["acher"]) / (before["bleeder"] / before["acher"])
    assert gained == pytest.approx((1 - (1 - 0.9) * (1 - 0.1)) / 0.1)


def test_a_finding_that_is_denied_divides_them_by_what_it_would_have_said(scorer: DifferentialScorer) -> None:
    before, after = (scorer.posterior(fs, NOBODY).probabilities for fs in ((), (finding("bleeding", "absent"),)))
    lost = (after["bleeder"] / after["acher"]) / (before["bleeder"] / before["acher"])
    assert lost == pytest.approx((1 - 0.91) / 0.9)


def test_what_a_condition_rules_out_has_no_leak(scorer: DifferentialScorer) -> None:
    posterior = scorer.posterior((finding("pain"),), NOBODY)
    assert posterior.contributions["bleeder"]["pain"] == pytest.approx(math.log(0.005 / 0.1))


def test_contributions_add_up_to_the_log_odds(scorer: DifferentialScorer) -> None:
    findings = (finding("flame_bleeding"), finding("fever", weight=0.5), finding("pain", "absent"))
    prior, posterior = scorer.posterior((), NOBODY), scorer.posterior(findings, NOBODY)

    def odds(p: dict[str, float], concept: str) -> float:
        return math.log(p[concept] / p["masser"])

    for concept in ("bleeder", "flamer", "acher", OTHER):
        moved = math.fsum(posterior.contributions[concept].values()) - math.fsum(posterior.contributions["masser"].values())
        assert odds(posterior.probabilities, concept) - odds(prior.probabilities, concept) == pytest.approx(moved)


def test_two_words_for_one_listed_thing_count_once(scorer: DifferentialScorer) -> None:
    one = scorer.posterior((finding("flame_bleeding"),), NOBODY).contributions["bleeder"]
    two = scorer.posterior((finding("flame_bleeding"), finding("dot_bleeding")), NOBODY).contributions["bleeder"]
    assert math.fsum(one.values()) == pytest.approx(math.fsum(two.values()))


def test_a_general_finding_beside_a_specific_one_adds_nothing(scorer: DifferentialScorer) -> None:
    alone = scorer.posterior((finding("flame_bleeding"),), NOBODY).probabilities
    assert scorer.posterior((finding("flame_bleeding"), finding("bleeding")), NOBODY).probabilities == pytest.approx(alone)


def test_other_rises_when_nobody_explains_what_is_there(scorer: DifferentialScorer) -> None:
    explained = scorer.posterior((finding("pain"), finding("fever"), finding("rash")), NOBODY).probabilities
    scattered = scorer.posterior((finding("white_mass"), finding("rash"), finding("flame_bleeding")), NOBODY).probabilities
    assert explained[OTHER] < 0.1 < scattered[OTHER]


def test_other_claims_less_of_what_lies_beyond_the_eye(scorer: DifferentialScorer) -> None:
    sign = scorer.posterior((finding("rash"),), NOBODY).contributions[OTHER]["rash"]
    history = scorer.posterior((finding("fever"),), NOBODY).contributions[OTHER]["fever"]
    assert history == pytest.approx(sign / 2)


def test_age_moves_the_prior(scorer: DifferentialScorer) -> None:
    child, adult = (scorer.posterior((), Demographics(age=age)).probabilities["acher"] for age in (8, 50))
    assert child > 2 * adult


def test_a_child_of_a_named_condition_gains_less_than_the_named_one(scorer: DifferentialScorer) -> None:
    moved = scorer.posterior((finding("names_bleeder"),), NOBODY).contributions
    assert moved["bleeder"]["names_bleeder"] > moved["masser"]["names_bleeder"] > 0
    assert scorer.posterior((finding("names_bleeder", "absent"),), NOBODY).contributions["bleeder"]["names_bleeder"] < 0


def test_crowding_weakens_each_of_many_findings() -> None:
    crowded = DifferentialScorer(LIBRARY, Parameters(crowding=0.5))
    few = crowded.posterior((finding("pain"),), NOBODY).contributions["acher"]["pain"]
    many = crowded.posterior((finding("pain"), finding("white_mass"), finding("bleeding")), NOBODY).contributions["acher"]["pain"]
    assert 0 < many < few


def test_silence_costs_the_condition_whose_hallmarks_go_unmentioned(scorer: DifferentialScorer) -> None:
    quiet, spoken = (scorer.posterior((finding("bleeding"),), NOBODY, silence=s).probabilities for s in (1.0, 0.0))
    assert quiet["acher"] / quiet["bleeder"] < spoken["acher"] / spoken["bleeder"]


def test_a_finding_of_no_lexicon_moves_nothing(scorer: DifferentialScorer) -> None:
    assert scorer.posterior((finding("zzz"),), NOBODY).probabilities == pytest.approx(scorer.posterior((), NOBODY).probabilities)


def test_a_profile_holds_what_is_there_often_and_not_the_name() -> None:
    text = profile(LIBRARY, LIBRARY.condition["bleeder"])
    assert text == "About bleeder. bleeding"


def test_a_long_narrative_is_cut_between_sentences() -> None:
    sentence = "The eye is red and sore and waters a good deal all day long."
    parts = passages(" ".join([sentence] * 12))
    assert len(parts) > 1
    assert all(part.endswith(".") and len(part) < 320 for part in parts)
    assert " ".join(parts) == " ".join([sentence] * 12)


def test_a_sentence_of_measurements_alone_has_no_likeness() -> None:
    text = "The eye is red. Pressure by Goldmann 13 mmHg."
    iop = Finding(finding_id="iop", name="iop", presence="present", source="measurement", start=text.index("13"), end=len(text))
    assert passages(text, (iop,)) == ["The eye is red."]
    assert passages(text, (iop, finding("pain").model_copy(update={"start": 20, "end": 24}))) == [text]


def test_likeness_is_relative_and_a_short_text_says_little() -> None:
    near = [{"a": 0.9, "b": 0.1}, {"a": 0.7}]
    full, short = likeness_nats(near, 1000), likeness_nats(near, 25)
    assert full["a"] == 0 > full["b"]
    assert short["b"] == pytest.approx(full["b"] / 10)
    assert likeness_nats([], 0) == {}


def test_what_is_added_moves_conditions_and_leaves_other_its_share(scorer: DifferentialScorer) -> None:
    findings = (finding("rash"),)
    plain = scorer.posterior(findings, NOBODY).probabilities
    moved = scorer.posterior(findings, NOBODY, extra={"masser": 3.0}).probabilities
    assert moved[OTHER] == pytest.approx(plain[OTHER])
    assert moved["masser"] / moved["acher"] == pytest.approx(math.exp(3) * plain["masser"] / plain["acher"])
