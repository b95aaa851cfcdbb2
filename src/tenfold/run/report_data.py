"""Everything that report.html shows, as plain data."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from tenfold._version import __version__
from tenfold.run.fit_result import RunResult
from tenfold.run.verdict import test_lines, verdict
from tenfold.search.leaderboard import report_rows
from tenfold.store.run_directory import Run


def report_data(result: RunResult, run: Run) -> dict[str, Any]:
    """What report.html shows, as JSON: it can be drawn again without the data."""
    trained = result.trained
    curves: dict[str, Any] = {}
    if result.has_winner:
        record = trained.records[result.ranking[0]]
        names = ("train_loss", "loss", "score")
        curves = {name: record.curves[i].tolist() for i, name in enumerate(names)}
    best = trained.recipes[result.ranking[0]]
    summary, modules = result.summary(run.path.name), result.prepared.settings.modules
    return {
        "summary": summary,
        "verdict": verdict(result),
        "tested": test_lines(summary),
        "card": result.prepared.card.to_dict(),
        "name": result.prepared.name,
        "source": result.prepared.source,
        "target": result.prepared.target,
        "why_task": result.plan.why_task,
        "baselines": [{"name": b.name, "scores": list(b.scores), "seconds": b.seconds} for b in result.baselines],
        "leaderboard": report_rows(trained),
        "curves": curves,
        "recipe_yaml": best.to_yaml() if result.has_winner else "",
        "ledger": list(result.ledger.openings),
        "others": list(result.ledger.others),
        "sealed_sha": result.prepared.sealed.sha,
        "settings": result.prepared.settings.to_dict(),
        **({"modules": list(modules.asked)} if modules else {}),
        "versions": {"tenfold": __version__} | {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
    }
