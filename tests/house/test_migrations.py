"""Migrations stand beside running code: what the version before reads and writes is there afterwards, too.

First a version that no longer needs something, and at least one release later the migration that takes it away; that
one says so in `CONTRACTS`, with the release that stopped using it.
"""

import ast
from pathlib import Path

import pytest

from migrations.run import newest

VERSIONS = sorted((Path(__file__).resolve().parents[2] / "migrations" / "versions").glob("0*.py"))
BEFORE_THE_RULE = "0005"
_FORBIDS = "the version before may write what it forbids, and the whole table is read under a lock"
TAKES_AWAY = {
    "drop_column": "the version before reads and writes it",
    "drop_table": "the version before reads and writes it",
    "rename_table": "the version before knows it by its old name",
    "alter_column": "the table may be rewritten under a lock, and the version before writes the old kind",
    "batch_alter_table": "SQLite copies the table, and Postgres alters it: see alter_column",
    "create_unique_constraint": _FORBIDS,
    "create_check_constraint": _FORBIDS,
    "create_foreign_key": _FORBIDS,
    "create_primary_key": "the whole table is read under a lock",
    "create_exclude_constraint": "the version before may write what it forbids",
    "execute": "a statement over a whole table holds its rows for as long as it takes: let a worker do it bit by bit",
}


def dangers(source):
    """What a migration's `upgrade` does that running code may not survive, a line each."""
    tree = ast.parse(source)
    if any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CONTRACTS" for node in tree.body):
        return []
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found, made = [], set()
    for call in (node for node in ast.walk(functions["upgrade"]) if isinstance(node, ast.Call)):
        if not (isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "op"):
            continue
        name, table = call.func.attr, ast.unparse(call.args[0]) if call.args else ""
        if name == "create_table":
            made.add(table)
        if name in TAKES_AWAY:
            found.append(f"{name} {table}: {TAKES_AWAY[name]}")
        elif name == "add_column" and table not in made and not _may_be_absent(call.args[1]):
            found.append(f"add_column {table}: the version before inserts rows without it; give it a server_default")
        elif name == "create_index" and _is_true(call, "unique") and ast.unparse(call.args[1]) not in made:
            found.append(f"create_index {table}: the version before may write what it forbids")
    return found


def _may_be_absent(column):
    if not isinstance(column, ast.Call):
        return False
    given = {keyword.arg for keyword in column.keywords}
    return "server_default" in given or not any(
        keyword.arg == "nullable" and ast.unparse(keyword.value) == "False" for keyword in column.keywords
    )


def _is_true(call, name):
    return any(keyword.arg == name and ast.unparse(keyword.value) == "True" for keyword in call.keywords)


@pytest.mark.parametrize(
    "path", [path for path in VERSIONS if path.stem[:4] > BEFORE_THE_RULE], ids=lambda path: path.stem
)
def test_what_the_version_before_reads_and_writes_is_there_after_a_migration(path):
    assert dangers(path.read_text()) == []


@pytest.mark.parametrize(
    "step",
    [
        'op.drop_column("jobs", "stage")',
        'op.drop_table("outbox")',
        'op.alter_column("jobs", "seed", type_=sa.String())',
        'op.add_column("jobs", sa.Column("x", sa.Integer(), nullable=False))',
        'op.create_index("uq_x", "jobs", ["seed"], unique=True)',
        'op.execute("UPDATE jobs SET seed = 0")',
        'with op.batch_alter_table("jobs") as batch: pass',
    ],
)
def test_a_step_that_running_code_may_not_survive_is_found(step):
    assert len(dangers(f"def upgrade():\n    {step}\n")) == 1
    assert dangers(f'CONTRACTS = "1.0 stopped reading it"\n\ndef upgrade():\n    {step}\n') == []


@pytest.mark.parametrize(
    "step",
    [
        'op.add_column("jobs", sa.Column("x", sa.Integer()))',
        'op.add_column("jobs", sa.Column("x", sa.Integer(), nullable=False, server_default="0"))',
        'op.create_table("x", sa.Column("id", sa.Integer(), nullable=False))',
        'op.create_index("ix_x", "jobs", ["seed"])',
    ],
)
def test_what_only_adds_is_not(step):
    assert dangers(f"def upgrade():\n    {step}\n") == []


def test_revisions_are_one_line_in_the_order_of_their_names():
    revisions = [path.stem[:4] for path in VERSIONS]
    assert revisions == [f"{number:04}" for number in range(1, len(VERSIONS) + 1)]
    assert revisions[-1] == newest()
