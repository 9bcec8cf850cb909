"""What a walk changed, in values and in words."""

from __future__ import annotations

from agent.conversation.change import change
from agent.domain import CaseReport, DifferentialEntry, Finding, ReasonerIdentity, RuleHit, TriageDecision, Urgency, Usage
from agent.evidence import Source
from agent.values import Presence

SOURCE = Source(organisation="College", title="Guide", year=2020, section="1", url="https://example.org", jurisdiction="nowhere")
RULE = RuleHit(rule_id="r", title="Suspected arteritis", urgency="emergency", time_frame="same day", because=("ESR 80",), source=SOURCE)


def report(
    shares: dict[str, float],
    urgency: Urgency = "urgent",
    frame: str = "within a week",
    findings: tuple[Finding, ...] = (),
    rules: tuple[RuleHit, ...] = (),
    *,
    diagnosed: bool = True,
) -> CaseReport:
    entries = tuple(DifferentialEntry(concept_id=c, name=c.upper(), probability=p) for c, p in shares.items())
    return CaseReport(
        case_id="c", outcome="diagnosed" if diagnosed else "refer_to_human", reasons=() if diagnosed else ("unsure",),
        diagnosis=entries[0] if diagnosed else None, differential=entries, answer=None, claims=(), uncertainty=None, path=(), routes=(),
        findings=findings, images=(), steps=(), notes=(), grounded_report="", usage=Usage(),
        triage=TriageDecision(urgency=urgency, floor=urgency, time_frame=frame, rules=rules),
        reasoner=ReasonerIdentity(kind="double", profile="d", fingerprint="0", statement="a double"),
    )  # fmt: skip


def finding(finding_id: str, presence: Presence = "present", value: float | None = None) -> Finding:
    return Finding(finding_id=finding_id, name=finding_id, presence=presence, source="narrative", value=value, quote=f"{finding_id} {value}")


def test_a_diagnosis_that_changes() -> None:
    before = report({"a": 0.8, "b": 0.17, "c": 0.03})
    after = report({"b": 0.98, "a": 0.02}, "emergency", "same day", (finding("esr", value=80),), (RULE,))
    made = change(before, after)
    assert made.diagnosis_before == before.diagnosis
    assert made.diagnosis_after == after.diagnosis
    assert [(m.concept_id, m.before, m.after) for m in made.probabilities] == [("b", 0.17, 0.98), ("a", 0.8, 0.02), ("c", 0.03, None)]
    assert made.rules == (RULE,)
    assert [f.name for f in made.findings] == ["esr 80"]
    assert "The diagnosis changes from A to B." in made.summary
    assert "B: 17 % → 98 %" in made.summary
    assert "C: 3 % → no longer listed" in made.summary
    assert "rises from urgent to emergency: same day" in made.summary
    assert "Red flags newly raised: Suspected arteritis (because: ESR 80)" in made.summary


def test_nothing_changed() -> None:
    same = report({"a": 0.8})
    made = change(same, same)
    assert made.probabilities == ()
    assert made.findings == ()
    assert made.summary == "No finding is new. The diagnosis stays A. The urgency stays urgent."


def test_small_moves_are_not_told() -> None:
    assert change(report({"a": 0.8, "b": 0.1}), report({"a": 0.805, "b": 0.12})).probabilities[0].concept_id == "b"


def test_a_finding_that_turns() -> None:
    before = report({"a": 0.8}, findings=(finding("pain", "absent"), finding("fever")))
    after = report({"a": 0.8}, findings=(finding("pain", "absent"), finding("pain"), finding("fever")))
    assert [(f.finding_id, f.before, f.after) for f in change(before, after).findings] == [("pain", "absent", "present")]


def test_values_of_one_measure_are_each_news() -> None:
    before = report({"a": 0.8}, findings=(finding("iop", value=20),))
    after = report({"a": 0.8}, findings=(finding("iop", value=20), finding("iop", value=44)))
    assert [f.name for f in change(before, after).findings] == ["iop 44"]


def test_a_diagnosis_that_comes_and_goes() -> None:
    none, some = report({"a": 0.3}, diagnosed=False), report({"a": 0.9}, "soon")
    assert "There is a diagnosis now: A." in change(none, some).summary
    assert "falls from urgent to soon" in change(none, some).summary
    assert "A is no longer given as the diagnosis" in change(some, none).summary
    assert "There is still no diagnosis." in change(none, none).summary
