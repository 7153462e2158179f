"""``tracekit eval``: rules that score what is stored, why they did or did not, and going over what was stored before.

They work on the collector's database, whether it runs or not: a running collector follows at once, and does the work.
(``tracekit eval run`` and ``compare`` need no collector: ``tracekit.evals.cli``.)
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from collector.cli_options import DatabaseUrl, Json, fail, opened_store, settings_in

eval_app = typer.Typer(
    help="Scores: rules over what is stored. For experiments see **tracekit eval run --help**.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
rule_app = typer.Typer(help="What is evaluated, and by what.", no_args_is_help=True, rich_markup_mode="markdown")
eval_app.add_typer(rule_app, name="rule")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The rule's name.")]
#: From one look at a back-fill's progress to the next.
_LOOK_SECONDS = 0.5

_ADD_EPILOG = """
**Examples**

- `tracekit eval rule add refused --evaluator refusal`

- `tracekit eval rule add cheap --evaluator cost_usd --set max=0.01 --target span --filter "kind == 'llm'" --sample 0.1`

- `tracekit eval rule add faithful --evaluator faithfulness --judge model=gpt-4o-mini --judge api_key=env:OPENAI_API_KEY --budget-usd 5`
"""  # noqa: E501 - a command is one line


@rule_app.command(epilog=_ADD_EPILOG)
def add(
    name: Name,
    evaluator: Annotated[str, typer.Option(help="The evaluator's type: refusal, contains, faithfulness ...")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the evaluator; JSON or text.")
    ] = None,
    target: Annotated[str, typer.Option(help="span, trace or session.")] = "trace",
    filter_: Annotated[str | None, typer.Option("--filter", help="Only what this expression holds for.")] = None,
    sample: Annotated[float, typer.Option(help="This part of all traces, 0 to 1.")] = 1.0,
    judge: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="model, provider, base_url, api_key=env:NAME ...")
    ] = None,
    budget_usd: Annotated[float | None, typer.Option(help="What the judge may cost in a day (UTC).")] = None,
    budget_calls: Annotated[int | None, typer.Option(help="How often the judge may be asked in a day (UTC).")] = None,
    project: Annotated[list[str] | None, typer.Option(help="Only this project; several times for several.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Score everything that is stored from now on."""
    from collector.evaluation.settings import FaultyRule, rule_of
    from collector.storage.forward_api import NameTaken

    budget = {"usd": budget_usd, "calls": budget_calls}
    given: dict[str, Any] = {
        "name": name,
        "evaluator": {"type": evaluator, **settings_in(set_, "--set")},
        "target": target,
        "filter": filter_,
        "sample_rate": sample,
        "judge": settings_in(judge, "--judge") or None,
        "budget": budget,
        "projects": project or None,
    }
    with opened_store(database_url) as store:
        try:
            store.add_rule(rule_of(given), now_ns=time.time_ns()).result()
        except FaultyRule as faulty:
            fail(*(f"{field}: {detail}" for field, detail in faulty.faults.items()))
        except NameTaken as error:
            fail(f"{error}; remove it first, or choose another name")
    print(f"added {name}; what was stored before: tracekit eval backfill {name} --from 7d")


@rule_app.command(name="list")
def list_(database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Every rule, and what was decided by it."""
    from collector.api.rule_render import status_json

    with opened_store(database_url) as store:
        counts = store.rule_counts()
        items = [status_json(rule, counts.get((rule.id, rule.version))) for rule in store.rules()]
    if as_json:
        print(json.dumps({"items": items}))
    elif not items:
        print("there are no rules; add one: tracekit eval rule add --help")
    else:
        _table(items)


@rule_app.command()
def pause(name: Name, database_url: DatabaseUrl = None) -> None:
    """Look at nothing new, and hold what waits."""
    _set_state(name, "paused", database_url)


@rule_app.command()
def resume(name: Name, database_url: DatabaseUrl = None) -> None:
    """Go on."""
    _set_state(name, "active", database_url)


@rule_app.command()
def remove(name: Name, database_url: DatabaseUrl = None) -> None:
    """Forget the rule and its decisions. Its scores stay."""
    with opened_store(database_url) as store:
        if _named(store, name).source == "config":
            fail(f"{name} is in the collector's configuration file: take it out there first, or pause it")
        store.remove_rule(name).result()
    print(f"removed {name}")


@eval_app.command()
def explain(
    trace_id: Annotated[str, typer.Argument(metavar="TRACE_ID", help="32 hexadecimal digits.")],
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Say why each rule did or did not score a trace, its spans or its session."""
    from collector.api import params
    from collector.api.rule_render import explanation_json
    from collector.evaluation.explain import explain as explained

    try:
        wanted = params.identifier("TRACE_ID", trace_id, 16)
    except params.Faulty as faulty:
        fail(*(f"{field}: {detail}" for field, detail in faulty.faults.items()))
    with opened_store(database_url) as store:
        found = explanation_json(explained(store, wanted, now_ns=time.time_ns()))
    if as_json:
        print(json.dumps(found))
        return
    if not found["rules"]:
        print("there are no rules; add one: tracekit eval rule add --help")
    for rule in found["rules"]:
        print(f"{rule['name']} (version {rule['version']}, {rule['target']}): {rule['words']}")
        for decision in rule["decisions"] if len(rule["decisions"]) > 1 else ():
            print(f"  {decision['span_id'] or decision['session_id'] or 'trace'}: {decision['words']}")


@eval_app.command()
def retry(
    name: Name,
    state: Annotated[
        list[str] | None, typer.Option(help="Targets in this state. [default: failed, over_budget]")
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Score again what failed, or was over the budget."""
    from collector.evaluation.rules import DECISION_STATES

    wanted: list[Any] = state or ["failed", "over_budget"]
    if not set(wanted) <= set(DECISION_STATES):
        fail(f"--state: must be one of {', '.join(DECISION_STATES)}")
    with opened_store(database_url) as store:
        rule, count = _named(store, name), 0
        while part := store.retry_decisions(rule, wanted, now_ns=time.time_ns()).result():
            count += part
            if "queued" in wanted:
                break  # they would be found again
    print(f"{count} targets wait again")


@eval_app.command()
def backfill(
    name: Name,
    from_: Annotated[str, typer.Option("--from", help="2026-11-01, 2026-11-01T10:00:00Z, or how long ago: 7d.")],
    to: Annotated[str, typer.Option("--to", help="As --from. [default: now]")] = "now",
    yes: Annotated[bool, typer.Option("--yes", help="Begin without asking.")] = False,
    wait: Annotated[bool, typer.Option(help="Show how far it is until it is done; Ctrl-C pauses it.")] = True,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Say what scoring a stretch of time would come to, and do it. The collector does the work.

    One that was paused goes on: `tracekit eval backfill NAME --from X` asks first whether to resume it.
    """
    from collector.api.rule_render import estimate_json
    from collector.api.values import time_of
    from collector.evaluation.backfill import estimate
    from collector.storage.evaluation_api import Backfill

    now = time.time_ns()
    try:
        from_ns, to_ns = time_of(from_, now), time_of(to, now)
    except ValueError as error:
        fail(str(error))
    with opened_store(database_url) as store:
        rule = _named(store, name)
        paused = next((one for one in store.backfills(rule.id) if one.state == "paused"), None)
        if paused is not None and (yes or typer.confirm(f"resume the paused one ({paused.seen} traces done)?")):
            store.set_backfill(paused.id, "active", now_ns=now).result()
            begun = paused
        else:
            expected = estimate(store, rule, from_ns, to_ns)
            print(json.dumps(estimate_json(expected)) if as_json else _said(expected))
            if not yes and not typer.confirm("begin?"):
                raise typer.Exit(1)
            begun = store.add_backfill(Backfill(rule.id, from_ns, to_ns, expected.traces), now_ns=now).result()
        if wait:
            _follow(store, rule, begun)


def _said(expected: Any) -> str:
    scaled = "" if expected.looked_at >= expected.traces else f" (scaled from {expected.looked_at})"
    told = f"{expected.traces} traces, {expected.targets} targets to be scored{scaled}"
    if not expected.calls:
        return f"{told}; {expected.basis}"
    cost = "unknown" if expected.cost_usd is None else f"{expected.cost_usd:.4f} USD"
    return f"{told}; {expected.calls} calls of the judge, cost {cost} ({expected.basis})"


def _follow(store: Any, rule: Any, begun: Any) -> None:
    """A bar of the traces that are queued, then of what waits to be scored. Ctrl-C pauses the back-fill."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from collector.storage.evaluation_api import DECIDE, scorer_of

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("queued", total=max(begun.expected, begun.seen))
            while True:
                found = next((one for one in store.backfills(rule.id) if one.id == begun.id), None)
                if found is None or found.state == "paused":
                    print("it is paused")
                    return
                now = time.time_ns()
                stats = [store.queue.stats(one, now_ns=now) for one in (DECIDE, scorer_of(rule))]
                left = sum(one.ready + one.claimed for one in stats)
                total = max(found.expected, found.seen)
                progress.update(bar, completed=found.seen, total=total, description=f"queued ({left} wait)")
                if found.state == "done" and not left:
                    break
                time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        store.set_backfill(begun.id, "paused", now_ns=time.time_ns()).result()
        print("paused; the same command resumes it")
        raise typer.Exit(130) from None
    print(f"{found.seen} traces were gone over")


def _table(items: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    titles = (
        "name",
        "version",
        "state",
        "target",
        "evaluator",
        "sample",
        "done",
        "queued",
        "left out",
        "failed",
        "cost",
    )
    for title in titles:
        table.add_column(title, no_wrap=True)
    for one in items:
        counts = one["decisions"]
        left_out = sum(counts[state] for state in ("filtered", "sampled_out", "over_budget", "not_applicable"))
        cells = (
            one["name"], one["version"], one["state"], one["target"], one["evaluator"]["type"], one["sample_rate"],
            counts["done"], counts["queued"], left_out, counts["failed"], one["judge_cost"],
        )  # fmt: skip
        table.add_row(*(str(cell).replace("[", "\\[") for cell in cells))
    console = Console()
    # What is read by a program, or through a pipe, is not folded.
    (console if console.is_terminal else Console(width=240)).print(table)


def _set_state(name: str, state: str, database_url: str | None) -> None:
    with opened_store(database_url) as store:
        _named(store, name)
        store.change_rule(name, {"state": state}, now_ns=time.time_ns()).result()
    print(f"{name} is {state}")


def _named(store: Any, name: str) -> Any:
    names = {rule.name: rule for rule in store.rules()}
    if name not in names:
        fail(f"there is no rule {name}; there are {', '.join(names)}" if names else "there are no rules")
    return names[name]
