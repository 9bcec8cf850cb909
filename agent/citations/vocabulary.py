"""The words on which a meaning turns: negations, exceptions, comparators, directions, units, and those that carry nothing.

Everything here is English, in comparable forms as `words.words` gives them. The lists are ours.
"""

from __future__ import annotations

ARTICLES_AND_COPULAS = frozenset("a an the is are was were be been being has have had that which this these those it its of".split())
"""Words a near quote may drop, add or change."""
SEPARATING = frozenset("no not non un in out with less able any".split())
"""Parts that a word may not lose when it is written together or apart: "not able" is not "notable"."""
NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
} | {"fifteen": "15", "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100"}

PARTICLES = frozenset("no not never neither nor cannot without none non hardly scarcely nobody nothing".split())
"""Negations that bear on what follows them."""
DENIALS = frozenset(
    "avoid avoids avoiding avoidance withhold withholds withholding lack lacks lacking absence against exclude excludes excluding "
    "prohibit prohibits prohibiting discourage discourages discouraging refrain refrains omit omits omitting forbid forbids fails fail "
    "failure stop stops stopping discontinue discontinues discontinuing cease deny denies reject rejects".split()
)
"""Words that deny what follows them, unless they are passive."""
PASSIVE_DENIALS = frozenset(
    "avoided withheld excluded prohibited discouraged omitted forbidden contraindicated unnecessary needless inadequate ineffective "
    "insufficient unsafe inappropriate unsuitable absent useless harmful stopped discontinued ceased denied rejected failed".split()
)
"""Words that deny what stands before them."""
RARELY = frozenset("seldom rarely infrequently few little uncommon unusual unlikely rare".split())
"""Words that all but deny."""
SLIGHT = frozenset("few little uncommon unusual unlikely rare".split())
"""Those of them that bear on the next words only."""
NEGATIVE = PARTICLES | DENIALS | PASSIVE_DENIALS | RARELY
HARMLESS = ("without delay", "not only", "no later than", "no more than", "not more than", "no longer than", "not exceeding", "not exceed",
            "no less than", "not less than", "no fewer than", "with or without", "whether or not", "few days", "a few", "a little",
            "rather than", "little or no", "minimal or absent", "absent or minimal")  # fmt: skip
"""Phrases that hold a negative word and deny nothing."""
EXCEPTIONS = ("unless", "except", "excepting", "excluding", "other than", "apart from", "save for", "save the",
              "save in", "save where", "save when", "until", "only", "instead of",
              "rather than", "but not", "barring")  # fmt: skip
CONDITIONS = frozenset("if when whenever where provided once".split())
CONTRASTS = frozenset("but however whereas while although though yet unless except until because so".split())
"""Words at which the reach of a negation ends."""
COMPARATIVES = ("rather than", "instead of", "than", "over", "superior to", "preferred to", "inferior to", "in place of", "versus", "before",
                "after")  # fmt: skip
"""What stands before one of these and what stands after may not change places."""

AXES: dict[str, tuple[str, ...]] = {
    "amount": (
        "raise raises raised raising increase increases increased increasing rise rises rising elevate elevates elevated elevating more "
        "higher high greater larger large upwards gain gains grow grows growing thicker thick thickening add adds adding",
        "lower lowers lowered lowering reduce reduces reduced reducing reduction decrease decreases decreased decreasing fall falls "
        "falling fell less fewer low smaller small dropped decline declines diminish diminishes thinner thin thinning shrink",
    ),
    "order": ("before prior preceding precede precedes pre beforehand", "after afterwards following follows follow post later since"),
    "place": ("above over superior superiorly upper", "below beneath inferior inferiorly lower"),
    "depth": ("anterior anteriorly", "posterior posteriorly"),
    "nose": ("nasal nasally medial medially", "temporal temporally lateral laterally"),
    "centre": ("central centrally centre center", "peripheral peripherally periphery"),
    "side": ("right dexter od", "left sinister os"),
    "eyes": ("unilateral unilaterally monocular", "bilateral bilaterally both binocular"),
    "time": ("early earlier earliest immediate immediately prompt promptly urgent urgently emergency", "late later delay delayed delaying "
             "deferred defer routine routinely"),
    "action": ("start starts started starting begin begins begun beginning initiate initiates initiated continue continues continued "
               "continuing", "stop stops stopped stopping discontinue discontinues discontinued withdraw withdraws withdrawn cease"),
    "effect": ("better improve improves improved improving improvement benefit benefits beneficial helps recover recovers recovery "
               "hastens safe effective", "worse worsen worsens worsened worsening harm harms harmful deteriorate deteriorates unsafe "
               "ineffective delays"),
    "advice": ("recommend recommends recommended recommending advise advises advised offer offers offered offering indicated "
               "give gives given giving use uses used using allow allows allowed",
               "contraindicated avoid avoids avoided avoiding withhold withheld forbidden discouraged refuse"),
    "rank": ("first initial primary main", "last final secondary second third alternative"),
    "test": ("positive", "negative"),
    "speed": ("fast faster rapid rapidly quick quickly sudden abrupt acute", "slow slower slowly slows gradual gradually chronic insidious"),
    "kind": ("benign", "malignant malignancy"),
    "angle": ("open", "closed closure narrow"),
    "wet": ("wet neovascular exudative", "dry atrophic"),
    "perfusion": ("ischaemic ischemic", "nonischaemic nonischemic"),
    "risk": ("protects protect protective prevents prevent prevention", "causes cause provokes provoke triggers predisposes"),
    "stage": ("mild minimal", "severe serious advanced"),
    "age": ("child children infant infants neonate neonates newborn paediatric pediatric baby babies", "adult adults elderly older"),
    "sex": ("men man male males boys boy", "women woman female females girls girl"),
    "route": ("topical topically drops ointment", "oral orally mouth tablet tablets", "intravenous intravenously iv",
              "intramuscular intramuscularly", "intravitreal intravitreally", "periocular subtenon"),
    "reach": ("topical topically local locally", "systemic systemically oral orally intravenous intravenously intramuscular parenteral"),
    "vein": ("vein venous veins", "artery arterial arteries"),
    "frequency": ("common usual usually often frequent frequently most mostly always", "rare rarely seldom infrequent infrequently uncommon "
                  "never occasionally"),
    "pain": ("painful tender", "painless"),
    "ease": ("active", "inactive quiescent"),
}  # fmt: skip
"""Opposites. Words of one pole may stand for each other; a claim may not name the pole that its quote does not."""
STRICT_AXES = frozenset(("side", "depth", "nose", "eyes", "route"))
"""Axes on which a claim may not say anything that its quote does not say."""
OPPOSITE_PREFIXES = ("un", "in", "im", "non", "dis", "anti", "ab", "a", "ir")
QUANTIFIERS = frozenset("all every always each everyone any".split())
"""Words that a claim may use only when its quote does."""

WEAK_MODALS = frozenset("may might can could consider considers considered considering optional possibly possible perhaps sometimes "
                        "suggests suggest reasonable option".split())  # fmt: skip
STRONG_MODALS = frozenset("must always mandatory required requires require essential imperative".split())

COMPARATORS: dict[str, tuple[str, ...]] = {
    "le": ("≤", "≯", "within", "up to", "no more than", "not more than", "at most", "no later than", "maximum of", "no longer than",
           "not exceeding", "not exceed", "or less", "or fewer", "or younger", "or under", "or lower", "or below", "and under", "and below",
           "by"),
    "ge": ("≥", "≮", "at least", "no less than", "not less than", "no fewer than", "minimum of", "or more", "or above", "or over",
           "or older", "or higher", "or greater", "or worse", "and over", "and above", "and older"),
    "lt": ("<", "≱", "less than", "under", "below", "fewer than", "smaller than", "younger than", "thinner than", "shorter than",
           "lower than", "before"),
    "gt": (">", "≰", "more than", "over", "above", "greater than", "larger than", "exceeding", "exceeds", "older than", "beyond",
           "thicker than", "longer than", "higher than", "after", "bigger than"),
    "about": ("about", "around", "approximately", "roughly", "~", "≈", "circa", "nearly", "almost"),
    "every": ("every", "each"),
    "for": ("for", "lasting", "over a period of"),
    "in": ("in",),
    "ne": ("≠",),
}  # fmt: skip
_UNITS = {
    "hour": ("hour hours h hr hrs hourly", 1), "day": ("day days d daily", 24), "week": ("week weeks wk wks weekly", 168),
    "minute": ("minute minutes min mins", 1 / 60),
    "month": ("month months monthly mo", 1), "year": ("year years yr yrs y yearly annual annually", 12),
    "mg": ("mg milligram milligrams milligramme milligrammes", 1), "g": ("g gram grams gramme grammes", 1000),
    "μg": ("μg microgram micrograms microgramme microgrammes", 0.001), "kg": ("kg", 1_000_000),
    "mm": ("mm millimetre millimetres millimeter millimeters", 1000), "μm": ("μm um micron microns micrometre micrometres micrometer "
    "micrometers", 1), "cm": ("cm centimetre centimetres centimeter centimeters", 10_000),
    "mmhg": ("mmhg", 1), "%": ("%", 1), "ml": ("ml millilitre millilitres", 1), "l": ("litre litres", 1000),
    "dioptre": ("d dioptre dioptres diopter diopters", 1),
}  # fmt: skip
_DIMENSIONS = {
    "time": "minute hour day week", "long time": "month year", "mass": "mg g μg kg", "length": "mm μm cm", "pressure": "mmhg",
    "share": "%", "volume": "ml l", "power": "dioptre",
}  # fmt: skip
UNITS: dict[str, tuple[str, float]] = {
    spelling: (next(d for d, names in _DIMENSIONS.items() if unit in names.split()), float(factor))
    for unit, (spellings, factor) in _UNITS.items()
    for spelling in spellings.split()
    if not (unit == "dioptre" and spelling == "d")
}
"""A unit's dimension and its size in the smallest unit of that dimension. Months and days do not convert into each other."""
KINDS_OF_DAY = frozenset("working business consecutive".split())

LINKS = frozenset(
    "in on at of to for from by with and or as into per a an the is are was were be been being has have had that which this those these it "
    "its than after before under over between about within up should says say asks his her their whose who during".split()
)
"""Words that only join others."""
EMPTY = frozenset(
    "recommend recommends recommended advise advises advised ask asks guideline guidelines guidance says say said according patient "
    "patients person people case cases should must may can could will would shall do does did need needs needed use used uses using "
    "given give gives treat treated treats treatment time frame diagnosing managing monitoring screening risk also then such there "
    "their they he she his her who whom whose some one other others more most than as by from into under over between after before "
    "about at least within up if when while because so but not no without never clinician clinicians doctor doctors finds found "
    "show shows shown report reports reported name names named call calls called count counts counted consider considered "
    "usually often mostly generally typically commonly own itself themselves "
    "considering offer offered offers offering set sets states stated state regard regards regarded".split()
)
"""Words that a claim may use without its quote: they carry no subject of their own. Those on which a meaning turns are checked apart."""
PROTECTED = (
    NEGATIVE
    | {word for phrase in EXCEPTIONS for word in phrase.split() if word not in ("from", "of", "for", "or", "than", "the", "in")}
    | CONDITIONS
    | QUANTIFIERS
    | WEAK_MODALS
    | STRONG_MODALS
    | {word for poles in AXES.values() for pole in poles for word in pole.split()}
    | set(UNITS)
    | set(NUMBER_WORDS)
    | {"and", "or", "with", "by", "to", "from", "within", "under", "per", "than", "should"}
)
"""Words that a near quote may neither drop, add nor change."""
