"""What must hold between the tables, each as one statement that finds where it does not.

Each gives rows of (where, expected, seen). They are set-based: a table of a million rows is walked by SQLite, and
Python sees only what is wrong. What depends on the order of the journal is in `replay`.
Source: charging rules, section 3, and the rules named.
"""
# ruff: noqa: S608 - statements are put together from constants of this module alone

from typing import Final, NamedTuple


class Check(NamedTuple):
    """A statement, and the rule that is broken wherever it finds a row."""

    rule: str
    sql: str


WELL_FORMED: Final = """
    ifnull(typeof(j.account_id) = 'integer' AND typeof(j.at_ms) = 'integer' AND CASE j.kind
        WHEN 'bound' THEN typeof(j.task_id) = 'integer' AND typeof(j.device_id) = 'integer'
            AND j.source IN ('purchased', 'free', 'grandfathered')
        WHEN 'opened' THEN typeof(j.note) = 'text'
        WHEN 'subscribed' THEN typeof(j.count) = 'integer' AND j.count >= 0
        WHEN 'posted' THEN typeof(j.amount_fen) = 'integer'
        WHEN 'bought' THEN typeof(j.count) = 'integer' AND j.count > 0
            AND typeof(j.amount_fen) = 'integer' AND j.amount_fen >= 0
        WHEN 'granted' THEN typeof(j.count) = 'integer' AND j.count > 0
        WHEN 'charging_date' THEN j.note = 'none' OR (j.note GLOB '[0-9]*' AND j.note NOT GLOB '*[^0-9]*'
            AND length(j.note) <= 19)
        WHEN 'ended' THEN typeof(j.device_id) = 'integer'
        ELSE 0 END, 0)
"""

JOURNAL: Final = f"""
    SELECT j.seq, j.account_id, j.at_ms, j.kind, j.task_id, j.device_id, j.source, j.count, j.amount_fen, j.note,
           t.available
    FROM journal j LEFT JOIN tasks t ON j.kind = 'bound' AND t.task_id = j.task_id
    WHERE {WELL_FORMED} ORDER BY j.seq
"""

# Accounts whose devices are grandfathered by a success, after their task was created (P3).
_LATE: Final = """
    (SELECT account_id FROM accounts
     WHERE json_valid(policy) AND json_extract(policy, '$.grandfathered_when') = 'update_succeeded')
"""

# Jobs whose device had no entitlement when they were created, by task. An entitlement that another account paid
# (P12) was obtained by another clock, so there the numbers of the tasks tell the order.
UNENTITLED_JOBS: Final = """
    SELECT t.task_id, t.account_id, t.created_ms, count(*), min(j.device_id)
    FROM jobs j JOIN tasks t ON t.task_id = j.task_id LEFT JOIN entitlements e ON e.device_id = j.device_id
    WHERE e.device_id IS NULL OR e.task_id > j.task_id
       OR (e.account_id = t.account_id AND e.obtained_ms > t.created_ms)
    GROUP BY t.task_id
"""

# Tasks that needed another number of licences than were bound.
UNBOUND_TASKS: Final = """
    SELECT task_id, account_id, created_ms, needed, deducted_purchased + deducted_free, grandfathered
    FROM tasks WHERE needed <> deducted_purchased + deducted_free + grandfathered
"""

ENTITLED: Final = "SELECT account_id, source, count(*) FROM entitlements GROUP BY account_id, source"


def _not_integer(rule: str, table: str, key: str, columns: str, optional: str = "") -> Check:
    """Find numbers that are none: SQLite keeps whatever it is given."""
    names = columns.split() + optional.split()
    wrong = [f"typeof({name}) <> 'integer'" for name in columns.split()]
    wrong += [f"typeof({name}) NOT IN ('integer', 'null')" for name in optional.split()]
    seen = " || ', ' || ".join(f"'{name} ' || typeof({name})" for name in names)
    return Check(
        rule, f"SELECT '{table} ' || {key}, 'integers', {seen} FROM {table} WHERE {' OR '.join(wrong)}"
    )


_TYPES: Final = (
    _not_integer("I5", "journal", "seq", "", "count amount_fen"),
    _not_integer(
        "I5",
        "accounts",
        "account_id",
        "balance_fen bought granted purchased_left free_left",
        "charging_date_ms",
    ),
    _not_integer("I6", "entitlements", "device_id", "account_id task_id obtained_ms"),
    _not_integer(
        "B11",
        "tasks",
        "task_id",
        "created_ms device_count needed available deducted_purchased deducted_free grandfathered left_after",
    ),
)

_JOURNAL_FORM: Final = (
    Check(
        "I6",
        f"""SELECT 'journal ' || j.seq, 'a line with all that its kind needs', 'kind ' || ifnull(j.kind, 'missing')
        FROM journal j WHERE NOT {WELL_FORMED} AND typeof(j.count) IN ('integer', 'null')
        AND typeof(j.amount_fen) IN ('integer', 'null')""",
    ),
    Check(
        "I6",
        """SELECT 'journal', 'lines 1 to ' || max(seq), count(*) || ' lines, from ' || min(seq)
        FROM journal HAVING count(*) > 0 AND (min(seq) <> 1 OR max(seq) <> count(*))""",
    ),
)

_ENTITLEMENTS: Final = (
    Check(
        "I3",
        """SELECT 'device ' || device_id, 'bound once, ever', count(*) || ' times, journal ' || group_concat(seq)
        FROM journal WHERE kind = 'bound' GROUP BY device_id HAVING count(*) > 1""",
    ),
    Check(
        "I3",
        """SELECT 'device ' || j.device_id || ', journal ' || j.seq,
            j.source || ' by account ' || j.account_id || ' in task ' || j.task_id || ' at ' || j.at_ms,
            e.source || ' by account ' || e.account_id || ' in task ' || e.task_id || ' at ' || e.obtained_ms
        FROM journal j JOIN entitlements e ON e.device_id = j.device_id
        WHERE j.kind = 'bound' AND (e.source, e.account_id, e.task_id, e.obtained_ms)
            IS NOT (j.source, j.account_id, j.task_id, j.at_ms)""",
    ),
    Check(
        "I6",
        """SELECT 'device ' || j.device_id || ', journal ' || j.seq, 'an entitlement', 'none'
        FROM journal j LEFT JOIN entitlements e ON e.device_id = j.device_id
        WHERE j.kind = 'bound' AND e.device_id IS NULL""",
    ),
    Check(
        "I6",
        """SELECT 'device ' || e.device_id, 'no entitlement: the journal binds none', e.source
        FROM entitlements e LEFT JOIN (SELECT device_id FROM journal WHERE kind = 'bound') b
            ON b.device_id = e.device_id
        WHERE b.device_id IS NULL""",
    ),
)

_ENDINGS: Final = (
    Check(
        "B10",
        """SELECT 'device ' || j.device_id || ', journal ' || j.seq, 'ended by its termination',
            CASE WHEN d.device_id IS NULL THEN 'no such device' ELSE 'not terminated' END
        FROM journal j LEFT JOIN devices d ON d.device_id = j.device_id
        WHERE j.kind = 'ended' AND d.terminated_ms IS NULL""",
    ),
    Check(
        "B10",
        """SELECT 'device ' || device_id, 'ended once', count(*) || ' times'
        FROM journal WHERE kind = 'ended' GROUP BY device_id HAVING count(*) > 1""",
    ),
    Check(
        "B10",
        """SELECT 'device ' || e.device_id, 'its entitlement has ended', 'terminated, and no such line'
        FROM devices d JOIN entitlements e ON e.device_id = d.device_id
        WHERE d.terminated_ms IS NOT NULL
            AND d.device_id NOT IN (SELECT device_id FROM journal WHERE kind = 'ended' AND device_id IS NOT NULL)""",
    ),
    Check(
        "B10",
        """SELECT 'device ' || x.device_id || ', journal ' || j.seq, 'nothing bound after its end',
            j.source || ' after line ' || x.seq
        FROM (SELECT device_id, min(seq) AS seq FROM journal WHERE kind = 'ended' GROUP BY device_id) x
            JOIN journal j ON j.kind = 'bound' AND j.device_id = x.device_id AND j.seq > x.seq""",
    ),
)

_BOUND: Final = """
    (SELECT task_id, sum(source = 'purchased') AS purchased, sum(source = 'free') AS free,
        sum(source = 'grandfathered') AS grandfathered, min(account_id) AS first_account,
        max(account_id) AS last_account, min(at_ms) AS first_ms, max(at_ms) AS last_ms
     FROM journal WHERE kind = 'bound' GROUP BY task_id)
"""

_TASKS: Final = (
    Check(
        "B11",
        f"""SELECT 'task ' || t.task_id,
            'purchased ' || t.deducted_purchased || ', free ' || t.deducted_free || ', grandfathered '
                || t.grandfathered,
            'bound ' || ifnull(b.purchased, 0) || ', ' || ifnull(b.free, 0) || ', ' || ifnull(b.grandfathered, 0)
        FROM tasks t LEFT JOIN {_BOUND} b ON b.task_id = t.task_id
        WHERE t.deducted_purchased <> ifnull(b.purchased, 0) OR t.deducted_free <> ifnull(b.free, 0)
            OR t.grandfathered <> ifnull(b.grandfathered, 0)""",
    ),
    Check(
        "B11",
        f"""SELECT 'task ' || b.task_id, 'bound by account ' || ifnull(t.account_id, '?') || ' at '
                || ifnull(t.created_ms, '?'),
            CASE WHEN t.task_id IS NULL THEN 'no such task' ELSE 'bound by account ' || b.first_account || ' to '
                || b.last_account || ' at ' || b.first_ms || ' to ' || b.last_ms END
        FROM {_BOUND} b LEFT JOIN tasks t ON t.task_id = b.task_id
        WHERE t.task_id IS NULL OR b.first_account <> t.account_id OR b.last_account <> t.account_id
            OR b.first_ms < t.created_ms
            OR (b.last_ms > t.created_ms AND (b.grandfathered = 0 OR t.account_id NOT IN {_LATE}))""",
    ),
    Check(
        "B11",
        """SELECT 'device ' || j.device_id || ', journal ' || j.seq, 'a job in task ' || j.task_id, 'none'
        FROM journal j LEFT JOIN jobs b ON b.device_id = j.device_id AND b.task_id = j.task_id
        WHERE j.kind = 'bound' AND b.tid IS NULL""",
    ),
    Check(
        "B11",
        """SELECT 'task ' || task_id, 'needed at most ' || device_count, needed
        FROM tasks WHERE needed > device_count""",
    ),
    Check(
        "B5",
        """SELECT 'task ' || t.task_id, 'account ' || t.account_id || ' subscribed',
            CASE WHEN a.account_id IS NULL THEN 'no such account' ELSE 'not subscribed' END
        FROM tasks t LEFT JOIN accounts a ON a.account_id = t.account_id WHERE ifnull(a.subscribed, 0) = 0""",
    ),
    Check(
        "B13",
        """SELECT 'task ' || task_id, 'at most ' || available || ' deducted, '
                || (available - deducted_purchased - deducted_free) || ' left after it',
            (deducted_purchased + deducted_free) || ' deducted, ' || left_after || ' left'
        FROM tasks WHERE deducted_purchased + deducted_free > available
            OR left_after <> available - deducted_purchased - deducted_free""",
    ),
)

_JOBS: Final = (
    Check(
        "P6",
        """SELECT 'task ' || t.task_id, t.device_count || ' jobs', ifnull(n.jobs, 0)
        FROM tasks t LEFT JOIN (SELECT task_id, count(*) AS jobs FROM jobs GROUP BY task_id) n
            ON n.task_id = t.task_id
        WHERE t.device_count <> ifnull(n.jobs, 0)""",
    ),
    Check(
        "P6",
        """SELECT 'device ' || device_id || ', task ' || task_id, 'one job', count(*)
        FROM jobs GROUP BY device_id, task_id HAVING count(*) > 1""",
    ),
    Check(
        "P6",
        """SELECT 'job ' || j.tid, 'the kind of task ' || j.task_id,
            CASE WHEN t.task_id IS NULL THEN 'no such task' ELSE 'kind ' || j.kind END
        FROM jobs j LEFT JOIN tasks t ON t.task_id = j.task_id WHERE t.kind IS NOT j.kind""",
    ),
    Check(
        "P7",
        """SELECT 'job ' || j.tid || ', device ' || j.device_id, 'a living device of the account',
            CASE WHEN d.device_id IS NULL THEN 'no such device' ELSE 'terminated at ' || d.terminated_ms
                || ', task created at ' || t.created_ms END
        FROM jobs j JOIN tasks t ON t.task_id = j.task_id LEFT JOIN devices d ON d.device_id = j.device_id
        WHERE d.device_id IS NULL OR (d.account_id = t.account_id AND d.terminated_ms < t.created_ms)""",
    ),
    Check(
        "P8",
        """SELECT 'device ' || device_id, 'one open job of kind ' || kind, count(*)
        FROM jobs NOT INDEXED WHERE state <= 3 GROUP BY device_id, kind HAVING count(*) > 1""",
    ),
    Check(
        "P9",
        """SELECT 'job ' || j.tid || ', device ' || j.device_id, 'no open job of a terminated device',
            'state ' || j.state
        FROM jobs j JOIN devices d ON d.device_id = j.device_id
        WHERE j.state <= 3 AND d.terminated_ms IS NOT NULL""",
    ),
    Check(
        "P9",
        """SELECT 'job ' || j.tid || ', task ' || j.task_id, 'no open job of a cancelled task', 'state ' || j.state
        FROM jobs j JOIN tasks t ON t.task_id = j.task_id WHERE j.state <= 3 AND t.cancelled_ms IS NOT NULL""",
    ),
)

# An answer of account 0 is to a call whose path names a task, a job or a device: the account is theirs.
_ANSWERS: Final = (
    Check(
        "I7",
        """SELECT 'account ' || a.account_id || ', key ' || a.key, 'task ' || a.task_id || ', as answered',
            CASE WHEN t.task_id IS NULL THEN 'no such task' ELSE 'account ' || t.account_id END
        FROM (SELECT account_id, key, CASE WHEN json_valid(answer) THEN json_extract(answer, '$.task_id') END AS task_id
              FROM answers) a LEFT JOIN tasks t ON t.task_id = a.task_id
        WHERE a.task_id IS NOT NULL AND (t.task_id IS NULL OR a.account_id <> 0 AND t.account_id <> a.account_id)""",
    ),
)

CHECKS: Final = (*_TYPES, *_JOURNAL_FORM, *_ENTITLEMENTS, *_ENDINGS, *_TASKS, *_JOBS, *_ANSWERS)
