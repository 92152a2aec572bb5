"""The catalogue's tables. Every step adds rows, and none changes what an earlier step wrote."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

SCHEMA = 3
"""Raised whenever the tables change: a workspace of another schema is refused."""

# Sorted by code point everywhere, as Python sorts: PostgreSQL would follow the server's locale.
_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

TABLES = sa.MetaData()
META = sa.Table(
    "meta",
    TABLES,
    sa.Column("key", _TEXT, primary_key=True),
    sa.Column("value", _TEXT, nullable=False),
)
RUN = sa.Table(
    "run",
    TABLES,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("started", _TEXT, nullable=False),
    sa.Column("config", _TEXT, nullable=False),
    sa.Column("versions", _TEXT, nullable=False),
)
RESULT = sa.Table(
    "result",
    TABLES,
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("finished", _TEXT, nullable=False),
    sa.Column("selection", _TEXT, nullable=False),
)
IMPORT = sa.Table(
    "import",
    TABLES,
    sa.Column("run", sa.Integer, primary_key=True),
    # JSON: [{"where", "problem"}] of recordings that cannot be used; emotion → clips left out.
    sa.Column("problems", _TEXT, nullable=False),
    sa.Column("left_out", _TEXT, nullable=False),
)
CLIP = sa.Table(
    "clip",
    TABLES,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("generated", sa.Boolean, nullable=False, index=True),
    sa.Column("corpus", _TEXT, nullable=False),
    sa.Column("path", _TEXT, nullable=False),
    sa.Column("start", sa.Float, nullable=False),
    sa.Column("duration", sa.Float, nullable=False),
    sa.Column("rate", sa.Integer, nullable=False),
    sa.Column("digest", _TEXT, nullable=False),
    sa.Column("label", _TEXT, nullable=False),
    sa.Column("speaker", _TEXT, nullable=False),
    sa.Column("text", _TEXT),
    sa.Column("language", _TEXT),
    sa.Column("gender", _TEXT),
    sa.Column("split", _TEXT),
    sa.Column("licence", _TEXT),
    sa.Column("consent", _TEXT),
    sa.Column("lineage", _TEXT),
    # For a recording: what the corpus said of it, and its file's size and time, to notice change.
    sa.Column("source_state", _TEXT),
)
LINE = sa.Table(
    "line",
    TABLES,
    # Texts that are spoken with an engine's own voice: clips without audio, as plain JSON.
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("clip", _TEXT, nullable=False),
)
PLANNED = sa.Table(
    "planned",
    TABLES,
    sa.Column("key", _TEXT, primary_key=True),
    sa.Column("generator", _TEXT, nullable=False),
    sa.Column("parent", _TEXT, nullable=False),
    sa.Column("candidate", _TEXT),
    sa.Column("skipped", _TEXT),
    # 0, or which retry of a candidate that was not good enough.
    sa.Column("attempt", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
PLAN = sa.Table(
    "plan",
    TABLES,
    sa.Column("id", _TEXT, primary_key=True),
    sa.Column("generator", _TEXT, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("weights", _TEXT, nullable=False),
    sa.Column("parent", _TEXT, nullable=False, index=True),
    # JSON: ids of the other clips that the generator is given.
    sa.Column("others", _TEXT, nullable=False),
    sa.Column("params", _TEXT, nullable=False),
    sa.Column("label", _TEXT, nullable=False),
    sa.Column("emotion", _TEXT, nullable=False),
    sa.Column("speaker", _TEXT, nullable=False),
    sa.Column("duration", sa.Float, nullable=False),
    sa.Column("text", _TEXT),
    sa.Column("language", _TEXT),
    sa.Column("gender", _TEXT),
)
OUTCOME = sa.Table(
    "outcome",
    TABLES,
    sa.Column("candidate", _TEXT, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("status", _TEXT, nullable=False),
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("detail", _TEXT, nullable=False),
    sa.Column("measured", _TEXT, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary),
)
MEASUREMENT = sa.Table(
    "measurement",
    TABLES,
    # What gates measured that were put in force after the candidate was made; null: there was
    # nothing to measure, or an error.
    sa.Column("candidate", _TEXT, primary_key=True),
    sa.Column("gate", _TEXT, primary_key=True),
    sa.Column("value", sa.Float),
    sa.Column("error", _TEXT, nullable=False),
    sqlite_with_rowid=False,
)
VERDICT = sa.Table(
    "verdict",
    TABLES,
    sa.Column("gates", _TEXT, primary_key=True),
    sa.Column("candidate", _TEXT, primary_key=True),
    sa.Column("gate", _TEXT, nullable=False),
    sa.Column("detail", _TEXT, nullable=False),
    sqlite_with_rowid=False,
)
SCORE = sa.Table(
    "score",
    TABLES,
    sa.Column("judge", _TEXT, primary_key=True),
    sa.Column("clip", _TEXT, primary_key=True),
    sa.Column("distributions", _TEXT, nullable=False),
    sa.Column("error", _TEXT, nullable=False),
)
ENCODING = sa.Table(
    "encoding",
    TABLES,
    sa.Column("encoder", _TEXT, primary_key=True),
    sa.Column("clip", _TEXT, primary_key=True),
    # float32, parts × width, and what the weights' own classifier says.
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Column("embedding", sa.LargeBinary, nullable=False),
    sa.Column("native", _TEXT, nullable=False),
)
VOTE = sa.Table(
    "vote",
    TABLES,
    sa.Column("clip", _TEXT, primary_key=True),
    sa.Column("rater", _TEXT, primary_key=True),
    sa.Column("emotion", _TEXT, nullable=False),
    sa.Column("at", _TEXT, nullable=False),
)
AUDIT = sa.Table(
    "audit",
    TABLES,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("key", _TEXT, nullable=False, unique=True),
    sa.Column("selection", _TEXT, nullable=False, index=True),
    # JSON: how the sample was drawn, and what is going to be tested on it.
    sa.Column("config", _TEXT, nullable=False),
)
SAMPLE = sa.Table(
    "sample",
    TABLES,
    sa.Column("audit", _TEXT, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("clip", _TEXT, nullable=False),
    sa.Column("stratum", _TEXT, nullable=False),
)
ROUND = sa.Table(
    "round",
    TABLES,
    sa.Column("selection", _TEXT, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    # JSON: what was measured; the kept candidates as bits, in id order.
    sa.Column("log", _TEXT, nullable=False),
    sa.Column("kept", sa.LargeBinary, nullable=False),
)
SELECTION = sa.Table(
    "selection",
    TABLES,
    sa.Column("key", _TEXT, primary_key=True),
    sa.Column("config", _TEXT, nullable=False),
)
DECISION = sa.Table(
    "decision",
    TABLES,
    sa.Column("selection", _TEXT, primary_key=True),
    sa.Column("candidate", _TEXT, primary_key=True),
    sa.Column("keep", sa.Boolean, nullable=False),
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("detail", _TEXT, nullable=False),
    sa.Column("probability", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)


def _latest_outcomes() -> sa.Subquery:
    """The outcome of each candidate's latest attempt."""
    later = OUTCOME.alias("later")
    is_last = ~sa.exists().where(
        later.c.candidate == OUTCOME.c.candidate, later.c.attempt > OUTCOME.c.attempt
    )
    return sa.select(OUTCOME).where(is_last).subquery("latest")


LATEST = _latest_outcomes()
