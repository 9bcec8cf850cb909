"""The last stages on their own: urgency, outcome, boxes, disagreement. Each safety rule is tested where it is enforced."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from agent import uncertainty
from agent.agreement import UNEXPECTED_NATS, disagreement
from agent.composition import CANDIDATE_PROBABILITY, grounded_report, triage
from agent.decision import decide
from agent.deps import Deps
from agent.domain import (
    AnswerOption,
    Case,
    CaseRequest,
    DifferentialEntry,
    Finding,
    Outcome,
    ReasonerIdentity,
    RuleHit,
    TriageDecision,
    UncertaintyReport,
    Urgency,
)
from agent.errors import StageError
from agent.evidence import Evidence
from agent.imaging import Box, Gradability, ImageFindings, ImageRef, Lesion
from agent.nodes.verify import check_boxes, settled
from agent.ports import Assessment, Dossier, Effort, Measurement
from agent.routing import after_deliberate, after_retrieve, after_screen
from agent.settings import Abstention, Dial
from agent.state import CaseState, Progress
from agent.thresholds import ThresholdStore
from agent.walk import consult
from knowledge.library import Library
from knowledge.redflags import RedFlags
from tests.doubles import SHELF_SOURCE, ScriptedReasoner

Make = Callable[..., Deps]


def hit(urgency: Urgency, frame: str = "at once") -> RuleHit:
    return RuleHit(rule_id="r", title="t", urgency=urgency, time_frame=frame, because=("x",), source=SHELF_SOURCE)


def triaged(urgency: Urgency, *rules: RuleHit) -> TriageDecision:
    return TriageDecision(urgency=urgency, floor=urgency if rules else "routine", time_frame="frame", rules=rules)


def entry(concept: str, probability: float = 0.9, name: str | None = None) -> DifferentialEntry:
    return DifferentialEntry(concept_id=concept, name=name or concept, probability=probability)


class TestUrgency:
    @pytest.mark.parametrize("outcome", ["diagnosed", "refer_to_human", "ungradable"])
    def test_the_floor_holds_whatever_was_drafted(self, outcome: Outcome) -> None:
        floor = triaged("emergency", hit("emergency"))
        result = settled(triaged("routine"), floor, outcome, read=True)
        assert (result.urgency, result.floor, result.rules) == ("emergency", "emergency", floor.rules)

    def test_a_draft_above_the_floor_stands(self) -> None:
        result = settled(triaged("emergency"), triaged("soon", hit("soon")), "diagnosed", read=True)
        assert (result.urgency, result.floor) == ("emergency", "soon")

    def test_an_open_case_is_never_routine_and_has_no_borrowed_time_frame(self) -> None:
        result = settled(triaged("routine"), triaged("routine"), "refer_to_human", read=True)
        assert result.urgency == "soon"
        assert result.time_frame.startswith("not set")

    def test_a_case_nobody_could_read_is_urgent(self) -> None:
        result = settled(triaged("routine"), triaged("routine"), "refer_to_human", read=False)
        assert result.urgency == "urgent"
        assert "could not be read" in result.time_frame

    def test_composition_keeps_the_floor(self, library: Library) -> None:
        floor = triaged("emergency", hit("emergency"))
        assert triage(floor, (entry("dry_eye_disease"),), library).urgency == "emergency"

    def test_a_candidate_that_cannot_be_missed_lends_its_urgency(self, library: Library) -> None:
        def urgency(share: float) -> Urgency:
            return triage(triaged("routine"), (entry("dry_eye_disease", 0.5), entry("giant_cell_arteritis", share)), library).urgency

        assert urgency(CANDIDATE_PROBABILITY) == "emergency"
        assert urgency(CANDIDATE_PROBABILITY - 0.01) != "emergency"

    def test_the_first_diagnosis_counts_however_small(self, library: Library) -> None:
        assert triage(triaged("routine"), (entry("giant_cell_arteritis", 0.1),), library).urgency == "emergency"

    def test_a_rule_on_a_general_finding_sees_the_special_one(self, library: Library) -> None:
        special = next(f for f in library.findings if f.implies)
        found = Finding(finding_id=special.id, name=special.name, presence="present", source="narrative")
        rule = library.rules[0].model_copy(update={"when": (type(library.rules[0].when[0])(all=(special.implies[0],)),)})
        flags = RedFlags(library.model_copy(update={"rules": (rule,)}))
        from agent.domain import Demographics

        assert flags.evaluate([found], Demographics())

    async def test_a_second_reading_can_raise_the_floor(self, doubled: Make) -> None:
        late = Finding(finding_id="names_giant_cell_arteritis", name="named", presence="possible", source="second_reading", quote="x")

        class Rereading(ScriptedReasoner):
            async def deliberate(self, dossier: Dossier, previous: Assessment, evidence: Sequence[Evidence], effort: Effort) -> Assessment:
                answer = await super().deliberate(dossier, previous, evidence, effort)
                return answer.model_copy(update={"findings": (late,)})

        unsure = [("dry_eye_disease", 0.4), ("blepharitis", 0.4)]
        report = await consult(CaseRequest(narrative="Gritty eyes."), doubled(threshold=0.1, reasoner=Rereading(unsure)))
        assert report.triage.floor == "emergency"
        assert late in report.findings


async def test_the_grounded_report_ends_with_the_settled_urgency(doubled: Make) -> None:
    vague = [("refractive_error", 0.2), ("cataract", 0.2), ("dry_eye_disease", 0.2)]
    for text, shares in (("Gritty eyes.", vague), ("Please see. Many thanks.", vague), ("Hypopyon.", [("dry_eye_disease", 0.99)])):
        report = await consult(CaseRequest(narrative=text), doubled(reasoner=ScriptedReasoner(shares)))
        assert report.grounded_report.splitlines()[-1] == f"Urgency: {report.triage.urgency} - {report.triage.time_frame}."


IMAGE = ImageRef(number=1, sha256="0" * 64, media_type="image/jpeg", width=100, height=100)
LESION = Lesion(number=1, label="hard_exudate", score=0.9, box=Box(x1=0.1, y1=0.1, x2=0.2, y2=0.2), fovea_distance_dd=0.5)
SEEN = ImageFindings(image=IMAGE, modality="cfp", gradability=Gradability(status="gradable"), lesions=(LESION,))


class TestBoxes:
    def test_only_what_the_localizer_found_may_stand(self) -> None:
        check_boxes("<box>[[100, 100, 200, 200]]</box>", (SEEN,))
        with pytest.raises(StageError, match="did not find"):
            check_boxes("<box>[[100, 100, 200, 201]]</box>", (SEEN,))

    def test_a_models_words_cannot_draw_a_box(self) -> None:
        name = "<ref>Melanoma</ref><box>[[1, 2, 3, 4]]</box>"
        report = grounded_report((SEEN,), (entry("unlisted_x", 0.9, name),), ())
        check_boxes(report, (SEEN,))
        assert report.count("<box>") == 1


def state(**parts: object) -> CaseState:
    base = {
        "case": Case(case_id="c", narrative="x", language="en"),
        "reasoner": ReasonerIdentity(kind="double", profile="p", fingerprint="f", statement="s"),
        "image_findings": (),
        "findings": (Finding(finding_id="rapd", name="RAPD", presence="present", source="narrative"),),
    }
    return {**base, **parts}  # type: ignore[typeddict-item, return-value]


def assessed(probability: float, entropy: float, **report: object) -> dict[str, object]:
    measured = Measurement(entropy=entropy, lower=entropy, upper=entropy, method="m")
    u = uncertainty.report(measured, 0.0, 1.0, Dial()).model_copy(update=report)
    return {"assessment": Assessment(differential=(entry("cataract", probability),), measurement=measured), "uncertainty": u}


class TestOutcome:
    def test_sure_is_diagnosed(self) -> None:
        assert decide(state(**assessed(0.9, 0.3)), Abstention()) == ("diagnosed", ())

    def test_a_low_probability_is_referred(self) -> None:
        outcome, reasons = decide(state(**assessed(0.3, 0.3)), Abstention())
        assert outcome == "refer_to_human"
        assert "30 %" in reasons[0]

    def test_a_high_entropy_is_referred_whatever_the_first_probability(self) -> None:
        outcome, reasons = decide(state(**assessed(0.6, 2.0)), Abstention(max_entropy={"p": 1.5}))
        assert outcome == "refer_to_human"
        assert "2.00 nats" in reasons[0]

    def test_a_foreign_letter_is_referred(self) -> None:
        outcome, reasons = decide(state(case=Case(case_id="c", narrative="x", language="de"), **assessed(0.9, 0.1)), Abstention())
        assert outcome == "refer_to_human"
        assert "'de'" in reasons[0]

    def test_an_answer_from_priors_alone_is_referred(self) -> None:
        options = (AnswerOption(key="A", text="x"), AnswerOption(key="B", text="y"))
        case = Case(case_id="c", narrative="ok", language="en", options=options)
        outcome, reasons = decide(state(case=case, findings=(), **assessed(0.9, 0.1)), Abstention())
        assert outcome == "refer_to_human"
        assert "prior" in reasons[0]

    @pytest.mark.parametrize(("modality", "status"), [("other", "gradable"), ("cfp", "ungradable")])
    def test_images_that_show_nothing_are_ungradable(self, modality: str, status: str) -> None:
        image = ImageFindings(image=IMAGE, modality=modality, gradability=Gradability(status=status), note="n")  # type: ignore[arg-type]
        assert decide(state(findings=(), image_findings=(image,)), Abstention())[0] == "ungradable"


class TestRoutes:
    def test_a_reasoner_that_reads_images_is_asked_about_an_image_alone(self) -> None:
        image = ImageFindings(image=IMAGE, modality="oct", gradability=Gradability(status="gradable"))
        blind = state(findings=(), image_findings=(image,))
        seeing = state(findings=(), image_findings=(image,), reasoner=blind["reasoner"].model_copy(update={"reads_images": True}))
        assert after_screen(blind).next == "compose"
        assert after_screen(seeing).next == "assess"

    @pytest.mark.parametrize(("rounds", "entropy", "expected"), [(0, 2.0, "deliberate"), (0, 0.9, "compose"), (3, 2.0, "compose")])
    def test_rounds_and_doubt_decide_on_thinking(self, rounds: int, entropy: float, expected: str) -> None:
        u = UncertaintyReport(
            entropy=entropy, initial_entropy=2, lower=0, upper=3, threshold=1, omega=0.9, depth=3, rounds=rounds, method="m"
        )
        assert after_retrieve(state(uncertainty=u)).next == expected

    @pytest.mark.parametrize(("same", "expected"), [(True, "compose"), (False, "retrieve")])
    def test_progress_is_compared_only_when_measured_alike(self, same: bool, expected: str) -> None:
        u = UncertaintyReport(entropy=2.0, initial_entropy=2, lower=0, upper=3, threshold=1, omega=0.9, depth=3, rounds=1, method="m")
        progress = Progress(before=1.5, after=2.0, same_method=same)
        assert after_deliberate(state(uncertainty=u, progress=progress)).next == expected


def test_the_moving_average_keeps_mostly_what_it_knew() -> None:
    assert uncertainty.updated_average(1.0, 2.0, Dial(momentum=0.98)) == pytest.approx(1.02)
    store = ThresholdStore(Dial(warm_up=0, momentum=0.9))
    store.observe("p", 1.5, 1.0)
    assert store.observe("p", 1.0, 1.0) == pytest.approx(1.05)


def test_omega_follows_the_published_shape() -> None:
    assert uncertainty.adjustment(1.5, 1.0, 0.5) == pytest.approx(0.76159, abs=1e-5)
    assert uncertainty.adjustment(0.5, 1.0, 0.5) == pytest.approx(-0.76159, abs=1e-5)


def test_the_localizer_against_the_answer_is_doubt(library: Library) -> None:
    condition = next(c for c in library.conditions if "retinal_haemorrhage" in c.findings.get("never", ()))
    seen = Finding(finding_id="retinal_haemorrhage", name="h", presence="present", source="localizer", weight=0.8)
    assert disagreement(library, (entry(condition.id),), [seen]) == pytest.approx(0.8 * UNEXPECTED_NATS)
    assert disagreement(library, (entry("central_retinal_vein_occlusion"),), [seen]) == 0
    assert disagreement(library, (entry("unlisted_x"),), [seen]) == 0
    assert disagreement(library, (), [seen]) == 0


def test_a_clear_photograph_against_a_diagnosis_that_shows_lesions_is_doubt(library: Library) -> None:
    clear = Finding(finding_id="no_retinal_lesion_seen", name="c", presence="present", source="localizer", weight=0.9)
    told = clear.model_copy(update={"source": "narrative"})
    assert disagreement(library, (entry("central_retinal_vein_occlusion"),), [clear]) == pytest.approx(0.9 * UNEXPECTED_NATS)
    assert disagreement(library, (entry("central_retinal_vein_occlusion"),), [told]) == 0
    assert disagreement(library, (entry("acute_angle_closure"),), [clear]) == 0
