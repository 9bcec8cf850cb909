"""The pictures below the conversation, as data for ECharts and Mermaid. Pure."""

from __future__ import annotations

from typing import Any

from agent.domain import CaseReport

MOST = 6
FIRST, LAST, LIMIT = "#9db4c0", "#1f6f8b", "#b3261e"
STAGES = ("intake", "localize", "screen", "assess", "retrieve", "deliberate", "compose", "verify")
EDGES = (
    ("intake", "localize"), ("localize", "screen"), ("screen", "assess"), ("screen", "compose"), ("assess", "retrieve"),
    ("retrieve", "deliberate"), ("deliberate", "retrieve"), ("retrieve", "compose"), ("deliberate", "compose"), ("compose", "verify"),
)  # fmt: skip


def differential(report: CaseReport) -> dict[str, Any]:
    """Bars of the likeliest conditions: before and after deeper thinking where there was any, else once."""
    entries = report.differential[:MOST]
    before = {entry.concept_id: entry.probability for entry in report.initial_differential}
    thought = bool(report.uncertainty and report.uncertainty.rounds)
    names = [entry.name for entry in reversed(entries)]
    series = [_bars("after deeper thinking" if thought else "probability", [e.probability for e in reversed(entries)], LAST)]
    if thought:
        series.insert(0, _bars("first pass", [before.get(e.concept_id, 0.0) for e in reversed(entries)], FIRST))
    return {
        "aria": {"enabled": True, "label": {"description": in_words(report)}},
        "animation": False,
        "grid": {"left": 8, "right": 48, "top": 28 if thought else 8, "bottom": 8, "containLabel": True},
        "legend": {"show": thought, "top": 0, "data": ["first pass", "after deeper thinking"]},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "xAxis": {"type": "value", "min": 0, "max": 100, "interval": 50, "axisLabel": {"formatter": "{value} %"}},
        "yAxis": {
            "type": "category",
            "data": names,
            "axisLabel": {"width": 170, "overflow": "break", "lineHeight": 13, "interval": 0, "color": "#1b2b34"},
        },
        "series": series,
    }


def uncertainty(report: CaseReport) -> dict[str, Any] | None:
    """Entropy of the first pass and of the last, against the threshold, in nats; None where nothing was reasoned on."""
    u = report.uncertainty
    if u is None:
        return None
    rows = [("first pass", u.initial_entropy, FIRST)] + ([(f"after {u.rounds} rounds", u.entropy, LAST)] if u.rounds else [])
    rows.reverse()
    return {
        "aria": {"enabled": True, "label": {"description": doubt_in_words(report)}},
        "animation": False,
        "grid": {"left": 8, "right": 24, "top": 26, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "min": 0, "max": round(1.15 * max(u.initial_entropy, u.entropy, u.threshold, 0.1), 2), "name": ""},
        "yAxis": {"type": "category", "data": [name for name, _, _ in rows], "axisLabel": {"color": "#1b2b34"}},
        "series": [
            {
                "type": "bar",
                "barWidth": 18,
                "data": [{"value": round(value, 3), "itemStyle": {"color": colour}} for _, value, colour in rows],
                "label": {"show": True, "position": "insideLeft", "formatter": "{c} nats", "color": "#102027"},
                "markLine": {
                    "symbol": "none",
                    "silent": True,
                    "lineStyle": {"color": LIMIT, "width": 2, "type": "solid"},
                    "label": {"formatter": f"threshold {u.threshold:.2f}", "color": LIMIT},
                    "data": [{"xAxis": u.threshold}],
                },
            }
        ],
    }


def path(report: CaseReport) -> str:
    """The state machine as a Mermaid graph, the way this case took drawn strong and its steps counted."""
    steps = list(zip(report.path, report.path[1:], strict=False))
    visits = {stage: report.path.count(stage) for stage in STAGES}
    lines = ["graph LR"]
    for stage in STAGES:
        times = f" ×{visits[stage]}" if visits[stage] > 1 else ""
        lines.append(f'  {stage}["{stage}{times}"]:::{"walked" if visits[stage] else "passed"}')
    taken = []
    for number, (start, end) in enumerate(EDGES):
        lines.append(f"  {start} --> {end}")
        if (start, end) in steps:
            taken.append(str(number))
    if taken:
        lines.append(f"  linkStyle {','.join(taken)} stroke:{LAST},stroke-width:3px")
    lines += [f"  classDef walked fill:#d8edf3,stroke:{LAST},color:#102027", "  classDef passed fill:#f4f6f7,stroke:#b8c4ca,color:#60717a"]
    return "\n".join(lines)


def in_words(report: CaseReport) -> str:
    """The differential as a sentence for a screen reader."""
    return "Differential: " + ("; ".join(f"{e.name} {e.probability:.0%}" for e in report.differential[:MOST]) or "none") + "."


def doubt_in_words(report: CaseReport) -> str:
    """The uncertainty as a sentence."""
    u = report.uncertainty
    if u is None:
        return "Nothing was reasoned on, so there is no uncertainty to measure."
    side = "above" if u.uncertain else "not above"
    change = f", then {u.entropy:.2f} after {u.rounds} of {u.depth} rounds of deeper thinking" if u.rounds else ""
    return f"Entropy {u.initial_entropy:.2f} nats in the first pass{change}: {side} the threshold of {u.threshold:.2f} ({u.method})."


def _bars(name: str, values: list[float], colour: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": name,
        "data": [round(100 * value, 1) for value in values],
        "itemStyle": {"color": colour},
        "label": {"show": True, "position": "right", "formatter": "{c} %", "color": "#1b2b34"},
    }
