"""The embedded reasoner: a distribution whose entropy means something, options, and thinking that follows from numbers."""

from __future__ import annotations

import math

import pytest

from agent.deps import Deps
from agent.domain import AnswerOption, CaseReport, CaseRequest
from agent.reasoners.atlas import DECIDED_BY_NUMBERS
from agent.walk import consult
from agent.wording import percent

CLASSIC = {
    "central_retinal_vein_occlusion": "A 70-year-old man with hypertension has sudden painless loss of vision in the right eye. Fundus: dilated "
    "tortuous veins, flame haemorrhages in all four quadrants, cotton wool spots and disc swelling.",
    "giant_cell_arteritis": "A 76-year-old woman has a new headache, scalp tenderness, jaw claudication and sudden loss of vision in the left eye; "
    "pale swollen optic disc. ESR 95 mm/h, CRP 80 mg/L.",
    "acute_angle_closure": "A 66-year-old hypermetropic woman has a painful red right eye with haloes, nausea and vomiting, a fixed mid-dilated "
    "pupil and a hazy cornea. IOP 58 mmHg.",
    "rhegmatogenous_retinal_detachment": "A 60-year-old myopic man sees flashes and floaters and a curtain over the left eye since yesterday. "
    "Tobacco dust in the vitreous and an elevated corrugated retina with a horseshoe tear.",
    "optic_neuritis": "A 28-year-old woman has pain on eye movement and loss of vision in the left eye over days, reduced colour vision and a RAPD. "
    "The disc looks normal.",
    "bacterial_keratitis": "A 24-year-old contact lens wearer has severe pain, redness and photophobia of the right eye with a white corneal "
    "infiltrate, an epithelial defect and hypopyon.",
    "retinitis_pigmentosa": "A 35-year-old man has night blindness since his teens and tunnel vision. Fundus: bone spicule pigmentation, attenuated "
    "arterioles and waxy disc pallor in both eyes.",
    "central_retinal_artery_occlusion": "A 72-year-old man with atrial fibrillation lost vision in the right eye suddenly and without pain. There is "
    "a cherry-red spot with retinal whitening and a RAPD.",
}
VAGUE = (
    "Blurred vision for some months.",
    "The patient is not happy with her eyes and the vision is blurry.",
    "Red eye.",
    "Headache and blurred vision.",
)


async def report_of(deps: Deps, text: str, **case: object) -> CaseReport:
    return await consult(CaseRequest(narrative=text, **case), deps)  # type: ignore[arg-type]


@pytest.mark.parametrize("condition", CLASSIC)
async def test_a_classic_case_is_recognised_and_given_a_code(deps: Deps, condition: str) -> None:
    report = await report_of(deps, CLASSIC[condition])
    assert report.differential[0].concept_id == condition
    assert report.differential[0].icd10
    assert report.outcome == "diagnosed"


async def test_a_vague_narrative_is_less_certain_than_any_classic_one(deps: Deps) -> None:
    async def entropies(texts: object) -> list[float]:
        return [(await report_of(deps, text)).uncertainty.initial_entropy for text in texts]  # type: ignore[attr-defined, union-attr]

    assert min(await entropies(VAGUE)) > max(await entropies(CLASSIC.values()))


@pytest.mark.parametrize("text", VAGUE)
async def test_a_vague_narrative_thinks_deep_and_ends_with_a_human(deps: Deps, text: str) -> None:
    report = await report_of(deps, text)
    assert "deliberate" in report.path
    assert report.outcome == "refer_to_human"
    assert report.reasons


async def test_the_same_case_gives_the_same_answer(deps: Deps) -> None:
    first, second = [await report_of(deps, VAGUE[0]) for _ in range(2)]
    assert first.differential == second.differential


async def test_options_get_a_distribution_over_the_letters(deps: Deps) -> None:
    options = tuple(
        AnswerOption(key=k, text=t)
        for k, t in (("A", "Branch retinal artery occlusion"), ("B", "CRVO"), ("C", "Optic neuritis"), ("D", "Cataract"))
    )
    report = await report_of(deps, CLASSIC["central_retinal_vein_occlusion"], options=options)
    assert report.answer is not None
    assert report.answer.letter == "B"
    assert sum(report.answer.probabilities.values()) == pytest.approx(1)
    assert set(report.answer.probabilities) == {"A", "B", "C", "D"}


async def test_options_that_nothing_tells_apart_come_out_even(deps: Deps) -> None:
    options = tuple(AnswerOption(key=k, text=t) for k, t in (("A", "zzqx"), ("B", "wwvk")))
    report = await report_of(deps, CLASSIC["optic_neuritis"], options=options)
    assert report.answer is not None
    assert report.answer.probabilities == {"A": 0.5, "B": 0.5}
    assert "nothing" in report.answer.note


async def test_it_says_what_it_is(deps: Deps) -> None:
    report = await report_of(deps, CLASSIC["optic_neuritis"])
    assert report.reasoner.kind == "atlas"
    assert "not OphthaReason" in report.reasoner.statement


async def test_steps_state_the_numbers_of_the_differential(deps: Deps) -> None:
    report = await report_of(deps, CLASSIC["optic_neuritis"])
    first = report.differential[0]
    assert any(percent(first.probability) in step.text and first.name in step.text for step in report.steps)


async def test_a_negated_sign_counts_against(deps: Deps) -> None:
    text = CLASSIC["central_retinal_artery_occlusion"]
    with_sign = await report_of(deps, text)
    without = await report_of(deps, text.replace("There is a cherry-red spot", "There is no cherry-red spot"))

    def share(report: CaseReport) -> float:
        return next((e.probability for e in report.differential if e.concept_id == "central_retinal_artery_occlusion"), 0.0)

    assert share(without) < share(with_sign)


async def test_likeness_of_words_yields_no_finding_that_numbers_decide(deps: Deps) -> None:
    report = await report_of(deps, "Blurred vision. Intraocular tensions measured by Goldmann are 13 mmHg right and 12 mmHg left.")
    assert not [f.finding_id for f in report.findings if f.source == "second_reading" and f.finding_id in DECIDED_BY_NUMBERS]
    assert report.triage.urgency != "emergency"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("A 20-month-old with a white reflex in photographs of the left eye, which turns in.", "retinoblastoma"),
        ("A 4-year-old whose eye turns in intermittently, hypermetropia of +5.00.", "accommodative_esotropia"),
        ("60M Bell's palsy, eye does not close, punctate staining of the cornea.", "exposure_keratopathy"),
        ("66F shingles of the right forehead with Hutchinson's sign, red painful right eye.", "herpes_zoster_ophthalmicus"),
        (
            "Routine check, 50 years. Vision 6/6 both eyes, IOP 14 and 15 mmHg, pupils normal, eye movements full, anterior segment normal, "
            "discs healthy, CDR 0.3, fields full, macula normal. No flashes, no floaters.",
            "normal_eye",
        ),
    ],
)
async def test_priors_and_ages_put_the_likely_first(deps: Deps, text: str, condition: str) -> None:
    assert (await report_of(deps, text)).differential[0].concept_id == condition


async def test_options_have_a_threshold_of_their_own(deps: Deps) -> None:
    """Four letters can never reach the entropy of a whole differential; undecided letters must think deep all the same."""
    options = tuple(AnswerOption(key=k, text=t) for k, t in zip("ABCD", ("Cataract", "Dry eye disease", "Refractive error", "Blepharitis"), strict=True))
    vague = await report_of(deps, VAGUE[0], options=options)
    clear = await report_of(deps, CLASSIC["optic_neuritis"], options=(AnswerOption(key="B", text="Optic neuritis"), options[0]))
    assert vague.uncertainty.threshold < math.log(4)
    assert "deliberate" in vague.path
    assert "deliberate" not in clear.path


async def test_options_that_come_out_even_are_referred(deps: Deps) -> None:
    options = tuple(AnswerOption(key=k, text=t) for k, t in (("A", "zzqx"), ("B", "wwvk")))
    report = await report_of(deps, CLASSIC["optic_neuritis"], options=options)
    assert report.outcome == "refer_to_human"
    assert any("options apart" in reason for reason in report.reasons)
