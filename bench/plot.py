"""The picture: one bar for each goal, with the goal as a mark."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report import Results
from bench.targets import TARGETS
from bench.workloads import ROWS, Score, score

GOOD, BAD, INK = "#2a7f62", "#c1502e", "#333333"


def draw(results: Results, file: Path) -> None:
    """Write the picture. Two panels: ratios where more is better, and shares of a bound where less is."""
    mpl.rcParams["svg.hashsalt"] = "bench"  # the same figures give the same file
    mpl.rcParams["font.size"] = 10
    scores = [
        found for row in ROWS.values() if row.goal is not None and (found := score(results.values, row))
    ]
    more = [s for s in scores if s.row.more_is_better]
    less = [s for s in scores if not s.row.more_is_better]
    figure = Figure(figsize=(9, 0.55 * len(scores) + 1.8), layout="constrained")
    panels = figure.subplots(2, 1, height_ratios=[max(1, len(more)), max(1, len(less))])
    _bars(panels[0], more, [_bound(s) for s in more], "calls a second, ours ÷ peer (more is better)")
    _bars(panels[1], less, [_bound(s) for s in less], "share of the goal used (less is better)", share=True)
    figure.suptitle(
        f"moratorium beside peers with the same policy, {results.date} (green: goal met, red: missed)",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def _bound(found: Score) -> float:
    assert found.row.goal is not None  # noqa: S101
    return found.row.goal.bound


def _bars(axes: Axes, scores: list[Score], bounds: list[float], title: str, *, share: bool = False) -> None:
    places = range(len(scores))
    scale = bounds if share else [1.0] * len(scores)
    lengths = [s.value / by for s, by in zip(scores, scale, strict=True)]
    axes.barh(places, lengths, height=0.6, color=[GOOD if s.met else BAD for s in scores])
    for place, found, length, bound, by in zip(places, scores, lengths, bounds, scale, strict=True):
        goal = bound / by
        axes.plot([goal, goal], [place - 0.42, place + 0.42], color=INK, linewidth=2)
        axes.text(max(length, goal), place, "  " + _words(found, bound), va="center", color=INK)
    axes.set_yticks(places, [s.row.title for s in scores])
    axes.invert_yaxis()
    axes.set_xlim(0, max([1.0, *lengths, *(b / by for b, by in zip(bounds, scale, strict=True))]) * 1.8)
    axes.set_title(title + "; black mark: goal", loc="left", fontsize=10)
    if not share:
        axes.axvline(1, color=INK, linewidth=0.8, linestyle=":")
    axes.spines[["top", "right"]].set_visible(False)


def _words(found: Score, bound: float) -> str:
    sign = "≥" if found.row.more_is_better else "≤"
    if found.against:
        return f"{found.value:.2f} × {TARGETS[found.against].title} (goal {sign} {bound:g})"
    return f"{found.value:.{found.row.digits}f} {found.row.unit} (goal {sign} {bound:g})"
