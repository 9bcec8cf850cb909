import pytest

from knowledge.ingest.sentences import sentence_spans

PARAGRAPHS = [
    ["Refer within 1 working day.", "Do not wait for imaging."],
    ["Visual acuity was 6/9.5 in the right eye.", "IOP was 24 mmHg."],
    ["Treat e.g. with aciclovir 400 mg bd.", "Review at 2 weeks."],
    ["Smith et al. found no difference.", "The trial was small (n = 40)."],
    ["See Fig. 3 for the algorithm.", "Dr. Jones disagreed."],
    ["Offer anti-VEGF, i.e. ranibizumab or aflibercept, if vision is 6/12 to 6/96.", "Monitor monthly."],
    ["Start prednisolone 1 mg/kg/day.", "Taper over approx. 6 weeks."],
    ["Is the disc swollen?", "If so, measure blood pressure."],
    ["Emergency!", "Irrigate at once."],
    ["In the U.S. the interval is 12 months.", "In the U.K. it is 24 months."],
    ["S. aureus was grown.", "H. influenzae was not."],
    ["Symptoms resolved.3", "Recurrence was seen in 4 of 20 eyes.4,5"],
    ["Use drops q.i.d. for one week.", "Stop if pressure rises above 25 mmHg."],
    ["The threshold is 0.3 logMAR.", "A change of 0.1 is not significant."],
    ["Give acetazolamide 500 mg i.v. stat.", "Check renal function."],
    ["Grade vs. stage: both are used.", "Neither is perfect."],
    ["(See section 4.2.)", "The next step is biopsy."],
    ['Patients said "it is dark."', "They were referred."],
    ["1. Measure pressure.", "2. Examine the disc."],
    ["The lens (approx. 9 mm) was clear.", "No. 11 blade was used."],
    ["Optos, Inc. made the camera.", "It images 200 degrees."],
    ["Tests: ESR, CRP, FBC.", "Biopsy within 2 weeks."],
    ["Vision fell in Jan. 2020.", "It recovered by March."],
    ["eGFR below 30 is a contraindication.", "pH should be checked."],
    ["Was the answer no.", "Then stop."],
]


@pytest.mark.parametrize("sentences", PARAGRAPHS, ids=lambda sentences: sentences[0][:24])
@pytest.mark.parametrize("gap", [" ", "\n", "  \n "])
def test_a_paragraph_falls_into_its_sentences(sentences: list[str], gap: str) -> None:
    text = gap.join(sentences)
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


def test_sentences_of_scripts_without_spaces_end_at_their_full_stop() -> None:
    text = "緑内障の診断。眼圧は重要である。"
    assert [text[start:end] for start, end in sentence_spans(text)] == ["緑内障の診断。", "眼圧は重要である。"]


@pytest.mark.parametrize("text", ["." * 300_000 + "x", "a.)" * 100_000, "a." + ")" * 200_000 + "x", ". " * 100_000])
def test_a_page_of_marks_does_not_cost_its_square(text: str) -> None:
    spans = list(sentence_spans(text))
    assert all(text[start:end].strip() for start, end in spans)
