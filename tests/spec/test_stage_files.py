"""What a line of a file of stages says (stage_files.md), in each encoding; and that no bytes break the reader."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import Invalid
from tracker.lifecycle.stages import SHIPPED, OwnStage, Stages
from tracker.stagefiles.reading import MOST_ROWS, StageRow, WrongRow, read_stages

PAGE = (Path(__file__).parent / "stage_files.md").read_text(encoding="utf-8")
CASES = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"][2:]
STAGES = Stages((*SHIPPED.all[:4], OwnStage("trial", "Free trial"), *SHIPPED.all[4:]))
NOW = datetime(2026, 4, 15, 3, tzinfo=UTC)


def said(content: bytes) -> list[str]:
    """Who, stage and since of the only line; or why it cannot be meant, and what stands there."""
    found = read_stages(content, STAGES, "Asia/Tokyo", NOW)
    rows: list[StageRow | WrongRow] = [*found.rows, *found.wrong]
    (row,) = rows
    if not isinstance(row, StageRow):
        return [f"wrong: {row.why}", row.text, ""]
    names = " ".join(filter(None, (row.who.contact_id, row.who.crm_id, row.who.email)))
    return [names, row.stage, row.at.strftime("%Y-%m-%dT%H:%M:%S") if row.at else ""]


@pytest.mark.parametrize(("case", "file", "who", "stage", "since"), CASES, ids=[case[0] for case in CASES])
def test_a_line_of_a_file_is_understood_as_the_page_says(
    case: str, file: str, who: str, stage: str, since: str
) -> None:
    text = file.replace(" / ", "\r\n")
    for content in (text.encode(), f"\ufeff{text}\r\n\r\n".encode(), text.encode("cp932")):
        assert said(content) == [who, stage, since]
    assert said(text.replace(",", "\t").encode())[0] == who or "," in who or '"' in text


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "file"),
        (b"\n \n", "file"),
        (b"Email,Name\nhana@kyoto.example,Hana\n", "stage"),
        (b"Name,Stage\nHana,lead\n", "person"),
        (b"Email,Stage,Stage\nhana@kyoto.example,lead,customer\n", "stage"),
        (b"Email,Stage,Date,Since\nhana@kyoto.example,lead,2026-04-01,2026-04-01\n", "at"),
        (b'Email,Stage\n"hana@kyoto.example,lead\n', "file"),
        (b"Email,Stage\n\x81\xff\xfe,lead\n", "file"),
        (b"Email,Stage\nhana\x00@kyoto.example,lead\n", "file"),
        (b"Email,Stage\n" + b"x," * 400 + b"\n", "file"),
        (b"Email,Stage\n" + b"x" * 5_000 + b",lead\n", "file"),
        (b"Email,Stage\n" + b"a@b.jp,lead\n" * (MOST_ROWS + 1), "file"),
        (b"Email,Stage\n" + b" " * 2_100_000, "file"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_what_is_wrong(content: bytes, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_stages(content, STAGES, "Asia/Tokyo", NOW)
    assert refused.value.field == field


@given(st.text(st.sampled_from("ab@.,;\t\"'\n\r =2026-/:T+Z年ステージ\ufeff"), max_size=60))
def test_no_text_breaks_the_reader_and_every_line_is_answered(text: str) -> None:
    content = f"Email,CRM ID,Stage,Date\n{text}".encode()
    try:
        found = read_stages(content, STAGES, "Asia/Tokyo", NOW)
    except Invalid:
        return
    lines = [row.line for row in found.rows] + [row.line for row in found.wrong]
    assert len(lines) == len(set(lines))
    assert all(row.stage in STAGES and (row.at is None or row.at <= NOW) for row in found.rows)
