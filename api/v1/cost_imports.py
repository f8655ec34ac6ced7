"""Imports of costs, for programs: the files that were taken in, and taking one back."""

from datetime import datetime

from pydantic import Field

from api.context import here
from api.trust import actor, token_site
from api.v1.contract import operation
from api.v1.fields import Args, At, Body, Day, Line, Out, Path
from api.v1.paging import PageArgs, PageOut, cursor_of, key_of
from tracker.clock import format_instant
from tracker.costfiles import taken_back
from tracker.costs.importing import Imported, imports_of
from tracker.db.store import begin, reading
from tracker.money import plain

LIST = "cost imports"
EXAMPLE = {"reason": "The export of another account."}


class ImportPath(Path):
    """Which import."""

    import_id: str = Field(
        description="The import's id.", max_length=100, examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"]
    )


class SumOut(Out):
    """The sum of an import in one currency."""

    amount: str = Field(description="Spend in major units.", examples=["2259.75"])
    amount_minor: int = Field(description="Spend in minor units.", examples=[225975])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])


class CostImportOut(Out):
    """A file of costs that was taken in."""

    id: str = Field(description="Its id.", examples=["5f0c1f0e8a0b4c1d9e2f3a4b5c6d7e8f"])
    file: str = Field(description="The file's name.", examples=["google-april.csv"])
    platform: str = Field(description="Whose export it is.", examples=["google_ads"])
    rows: int = Field(description="Rows of the file that were read.", examples=[30])
    costs: int = Field(description="Costs that they made.", examples=[28])
    standing: int = Field(description="How many of these stand: no later word replaced them.", examples=[28])
    sums: list[SumOut] = Field(description="What they add up to, by currency.")
    from_day: Day = Field(description="First of its days.")
    to_day: Day = Field(description="Last of its days.")
    imported_by: str = Field(description="Who took it in.", examples=["command line"])
    imported_at: At = Field(description="When.")
    undone_by: str | None = Field(description="Who took it back; null: it is in.", examples=["token crm"])
    undone_at: At | None = Field(description="When it was taken back.")


class CostImports(PageOut):
    """Imports, the newest first."""

    data: list[CostImportOut] = Field(description="The imports.")


class UndoIn(Body):
    """Why an import is taken back, for the audit log."""

    reason: Line | None = Field(None, description="Why, in a sentence.", examples=["The export of another account."])


class CostImportUndone(Out):
    """What taking an import back did."""

    undone: int = Field(description="How many of its costs stood until then.", examples=[28])
    restored: int = Field(description="In the place of how many stands again what it had replaced.", examples=[28])
    data: CostImportOut = Field(description="The import.")


@operation("GET", "/costs/imports", tag="Costs", args=PageArgs, gives=CostImports, sample="/costs/imports?limit=10")
def list_cost_imports(args: PageArgs) -> CostImports:
    """List the files of costs that were taken in, by the page or the command line, the newest first."""
    after = key_of(LIST, args.cursor, datetime, str)
    with reading(here().engine) as tx:
        found = imports_of(tx, token_site().site_id, args.limit + 1, (after[0], after[1]) if after else None)
    shown = found[: args.limit]
    more = cursor_of(LIST, shown[-1].imported_at, shown[-1].import_id) if len(found) > args.limit else None
    return CostImports(data=[import_out(one) for one in shown], next_cursor=more)


@operation(
    "POST",
    "/costs/imports/<import_id>/undo",
    tag="Costs",
    path=ImportPath,
    body=UndoIn,
    gives=CostImportUndone,
    refuses=(409,),
    sample="/costs/imports/$IMPORT/undo",
    example=EXAMPLE,
)
def undo_cost_import(import_id: str, body: UndoIn, args: Args) -> CostImportUndone:
    """Take an import back: the costs are as if it had never been, but for those that a later word replaced.

    What it had replaced stands again. One that was taken back already is a conflict (409).
    """
    context, site = here(), token_site()
    with begin(context.engine) as tx:
        done = taken_back(tx, site.site_id, import_id, actor(), context.now(), body.reason)
    return CostImportUndone(undone=done.n_stood, restored=done.n_back, data=import_out(done.imported))


def import_out(one: Imported) -> CostImportOut:
    """An import as the API gives it."""
    return CostImportOut(
        id=one.import_id,
        file=one.name,
        platform=one.platform.value,
        rows=one.n_rows,
        costs=one.n_costs,
        standing=one.n_standing,
        sums=[
            SumOut(amount=plain(minor, currency), amount_minor=minor, currency=currency)
            for currency, minor in one.totals
        ],
        from_day=one.from_day,
        to_day=one.to_day,
        imported_by=one.imported_by,
        imported_at=format_instant(one.imported_at),
        undone_by=one.undone_by,
        undone_at=None if one.undone_at is None else format_instant(one.undone_at),
    )
