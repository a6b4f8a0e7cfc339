"""What must hold of starts, expiries, tokens and pushes, each as one statement that finds where it does not.

The moment that an account's clock has surely shown is the latest that its own rows know, or, for a database in use,
what its clock shows when it is looked at: `:now` is that real time, NULL for a closed one. Times are unix
milliseconds on the account's clock. Source: charging rules P10 and P15, onenet-protocol, sections 4, 5 and 7.
"""
# ruff: noqa: S608 - statements are put together from constants of this module alone

from typing import Final

from scenarios.auditor.checks import Check

GRACE_MS: Final = 60_000
"""How long after its deadline a job may still be open in a platform that is busy."""

# Each account with the moment it has reached, and since when arrears hold its pending jobs (NULL: they don't).
_CLOCKS: Final = """
    (SELECT account_id, at_ms, coalesce(held_since_ms,
            CASE WHEN balance_fen < 0 AND charging_date_ms <= at_ms AND json_valid(policy)
                AND ifnull(json_extract(policy, '$.arrears_hold'), 'pending') = 'pending'
            THEN charging_date_ms END) AS held_since_ms
     FROM (SELECT a.account_id, a.held_since_ms, a.balance_fen, a.charging_date_ms, a.policy, max(
            ifnull((SELECT max(at_ms) FROM journal j WHERE j.account_id = a.account_id), 0),
            ifnull((SELECT max(created_ms) FROM tasks t WHERE t.account_id = a.account_id), 0),
            ifnull((SELECT max(j.updated_ms) FROM tasks t JOIN jobs j ON j.task_id = t.task_id
                    WHERE t.account_id = a.account_id), 0),
            ifnull(:now + a.clock_offset_ms, 0)) AS at_ms
        FROM accounts a))
"""

TIME_CHECKS: Final = (
    Check(
        "P10",
        f"""SELECT 'job ' || j.tid || ', task ' || t.task_id,
            'failed at ' || (t.expires_ms + ifnull(j.held_ms, 0)),
            'state ' || j.state || ' when the clock showed ' || c.at_ms
        FROM jobs j JOIN tasks t ON t.task_id = j.task_id JOIN {_CLOCKS} c ON c.account_id = t.account_id
        WHERE j.state <= 3 AND t.expires_ms + ifnull(j.held_ms, 0) + {GRACE_MS} <
            CASE WHEN j.state = 1 THEN min(c.at_ms, ifnull(c.held_since_ms, c.at_ms)) ELSE c.at_ms END""",
    ),
    Check(
        "P10",
        """SELECT 'job ' || tid, 'held for no time or some', held_ms FROM jobs WHERE held_ms < 0""",
    ),
    Check(
        "P15",
        """SELECT 'task ' || task_id, 'created, started, expired, in this order',
            created_ms || ', ' || starts_ms || ', ' || expires_ms
        FROM tasks WHERE starts_ms < created_ms OR expires_ms <= starts_ms""",
    ),
    Check(
        "P15",
        """SELECT 'job ' || j.tid || ', task ' || t.task_id, 'pending until its start at ' || t.starts_ms,
            'state ' || j.state || ', step ' || ifnull(j.step, 'none') || ' at ' || j.updated_ms
        FROM jobs j JOIN tasks t ON t.task_id = j.task_id
        WHERE j.updated_ms < t.starts_ms AND (j.state IN (2, 3) OR j.step IS NOT NULL)""",
    ),
    Check(
        "I7",
        """SELECT 'token of job ' || k.tid, 'a job of device ' || k.device_id,
            CASE WHEN j.tid IS NULL THEN 'no such job' ELSE 'a job of device ' || j.device_id END
        FROM job_tokens k LEFT JOIN jobs j ON j.tid = k.tid WHERE j.device_id IS NOT k.device_id""",
    ),
    Check(
        "I7",
        """SELECT 'task ' || t.task_id, 'one push to the webhook', count(d.delivery_id)
        FROM tasks t LEFT JOIN deliveries d ON d.task_id = t.task_id AND d.account_id = t.account_id
        WHERE t.notification = 'webhook' GROUP BY t.task_id HAVING count(d.delivery_id) <> 1""",
    ),
    Check(
        "I7",
        """SELECT 'delivery ' || d.delivery_id, 'a task of account ' || d.account_id,
            CASE WHEN t.task_id IS NULL THEN 'no such task' ELSE 'task ' || t.task_id END
        FROM deliveries d LEFT JOIN tasks t ON t.task_id = d.task_id
        WHERE t.account_id IS NOT d.account_id OR t.notification <> 'webhook'""",
    ),
)
