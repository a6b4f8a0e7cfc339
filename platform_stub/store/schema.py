"""Tables of the store, and the version they are at.

`journal` is the record of accounts, licences and entitlements (I6): `accounts` and `entitlements` are what
its replay gives, kept beside it so that a decision is a look-up. Devices, tasks, jobs and timelines are state.
Money is in fen, times are unix milliseconds on the account's clock, sizes bytes.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from platform_stub.protocol.codes import OPEN_STATES

SCHEMA_VERSION: Final = 2
PRODUCT: Final = "ota-sim"

AnyRow = Row[*tuple[Any, ...]]
"""A row as a query gives it."""

metadata = MetaData()

# SQLite counts a rowid by itself only for INTEGER; PostgreSQL wants 64 bits.
Serial = BigInteger().with_variant(Integer, "sqlite")


def _word(length: int) -> String:
    """Name the type of a short text; it is ordered by its bytes, wherever it is kept."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _serial(name: str) -> Column[int]:
    return Column(name, Serial, primary_key=True, autoincrement=True)


schema_info = Table(
    "schema_info",
    metadata,
    Column("product", _word(32), primary_key=True),
    Column("version", Integer, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    _serial("account_id"),
    Column("name", Text, nullable=False),
    Column("access_key", Text, nullable=False),
    Column("policy", Text, nullable=False),  # JSON of the policy at opening
    Column("opened_ms", BigInteger, nullable=False),
    Column("clock_offset_ms", BigInteger, nullable=False),  # account time - real time
    Column("subscribed", Boolean, nullable=False),
    Column("balance_fen", BigInteger, nullable=False),
    Column("bought", BigInteger, nullable=False),
    Column("granted", BigInteger, nullable=False),
    Column("purchased_left", BigInteger, CheckConstraint("purchased_left >= 0"), nullable=False),  # I1
    Column("free_left", BigInteger, CheckConstraint("free_left >= 0"), nullable=False),  # I2
    Column("charging_date_ms", BigInteger),
    Column("held_since_ms", BigInteger),  # since when arrears hold pending jobs: no expiry meanwhile (P10)
)

# kind: opened subscribed posted bought granted charging_date bound ended
# Its lines are numbered by who writes them: without a gap, whatever is rolled back.
journal = Table(
    "journal",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("kind", _word(16), nullable=False),
    Column("task_id", BigInteger),  # bound
    Column("device_id", BigInteger),  # bound, ended
    Column("source", _word(16)),  # bound: purchased, free, grandfathered
    Column("count", BigInteger),  # subscribed: free licences; bought, granted
    Column("amount_fen", BigInteger),  # posted, bought (what was paid, not negative)
    Column("note", Text),  # opened: policy; posted: reason; granted: contract; charging_date: ms or "none"
    Index("journal_account", "account_id"),
)

entitlements = Table(
    "entitlements",
    metadata,
    Column("device_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, nullable=False),  # who paid (P12)
    Column("source", _word(16), nullable=False),
    Column("task_id", BigInteger, nullable=False),
    Column("obtained_ms", BigInteger, nullable=False),
)

products = Table(
    "products",
    metadata,
    Column("product_id", _word(32), primary_key=True),
    Column("account_id", BigInteger, ForeignKey("accounts.account_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("access_key", Text, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    _serial("device_id"),
    Column("account_id", BigInteger, nullable=False),
    Column("product_id", _word(32), nullable=False),
    Column("name", _word(64), nullable=False),
    Column("key", _word(128), nullable=False),
    Column("iccid", _word(32), nullable=False),
    Column("imsi", _word(32), nullable=False),
    Column("f_version", _word(20)),
    Column("s_version", _word(20)),
    Column("created_ms", BigInteger, nullable=False),
    Column("terminated_ms", BigInteger),
    sqlite_autoincrement=True,  # a device ID is never used again, not even the highest
)
Index(
    "devices_name",
    devices.c.product_id,
    devices.c.name,
    unique=True,
    sqlite_where=devices.c.terminated_ms.is_(None),
    postgresql_where=devices.c.terminated_ms.is_(None),
)
Index("devices_account", devices.c.account_id)

packages = Table(
    "packages",
    metadata,
    _serial("package_id"),
    Column("account_id", BigInteger, nullable=False),
    Column("product_id", _word(32), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("name", _word(20), nullable=False),
    Column("target", _word(20), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("md5", _word(32), nullable=False),
    Column("verification", _word(8), nullable=False),  # open, passed, skipped
    Column("manufacturer", _word(32), nullable=False),
    Column("model", _word(32), nullable=False),
    Column("file_name", _word(64), nullable=False),
    Column("start_version", _word(20)),  # of a differential package; none: it is a full one
    Column("auto_add", Text),  # JSON of the policy that takes in later devices (P15)
    Column("content", LargeBinary, nullable=False),
    Index("packages_name", "account_id", "name", unique=True),
)

tasks = Table(
    "tasks",
    metadata,
    _serial("task_id"),
    Column("account_id", BigInteger, nullable=False),
    Column("package_id", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("target", _word(20), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("starts_ms", BigInteger, nullable=False),  # when devices are first told of it
    Column("expires_ms", BigInteger, nullable=False),  # when jobs that were never held fail (step 208)
    Column("paused_ms", BigInteger),
    Column("cancelled_ms", BigInteger),
    Column("retry_of", BigInteger),
    Column("scope", _word(8), nullable=False),  # chosen, all
    Column("start_version", _word(20)),  # the package's, when it is a differential one
    Column("start_versions", Text),  # JSON list, null in it: never reported; none: any
    Column("notification", _word(8), nullable=False),  # platform, webhook
    Column("signal_min", SmallInteger, nullable=False),
    Column("battery_min", SmallInteger, nullable=False),
    Column("retry_count", SmallInteger, nullable=False),
    Column("retry_interval_s", Integer, nullable=False),
    Column("verification", Boolean, nullable=False),
    Column("device_count", BigInteger, nullable=False),
    Column("needed", BigInteger, nullable=False),
    Column("available", BigInteger, nullable=False),
    Column("deducted_purchased", BigInteger, nullable=False),
    Column("deducted_free", BigInteger, nullable=False),
    Column("grandfathered", BigInteger, nullable=False),
    Column("left_after", BigInteger, nullable=False),
    Index("tasks_account", "account_id"),
)

jobs = Table(
    "jobs",
    metadata,
    _serial("tid"),
    Column("task_id", BigInteger, nullable=False),
    Column("device_id", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),  # JobState
    Column("step", SmallInteger),  # the last one accepted
    Column("updated_ms", BigInteger, nullable=False),
    Column("held_ms", BigInteger),  # how long arrears held it so far: added to its task's expiry (P10)
    Index("jobs_task", "task_id", "state"),
    Index("jobs_device", "device_id"),
)
# P8, held by the database: one open job of a kind a device.
# A literal, not a parameter: or SQLite does not see that a partial index serves.
is_open = jobs.c.state <= text(str(int(max(OPEN_STATES))))
Index(
    "jobs_open",
    jobs.c.device_id,
    jobs.c.kind,
    unique=True,
    sqlite_where=is_open,
    postgresql_where=is_open,
)

# Generation A names a job by a token that it gives out at a check and that lasts 48 h of the account's clock.
job_tokens = Table(
    "job_tokens",
    metadata,
    Column("token", _word(32), primary_key=True),
    Column("tid", BigInteger, nullable=False),
    Column("device_id", BigInteger, nullable=False),
    Column("issued_ms", BigInteger, nullable=False),
    Index("job_tokens_tid", "tid"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column(
        "account_id", BigInteger, ForeignKey("accounts.account_id"), primary_key=True, autoincrement=False
    ),
    Column("url", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("checked_ms", BigInteger, nullable=False),  # when it answered PASSED
)

# One push of one task; `due_ms` is real time, since a webhook is transport.
deliveries = Table(
    "deliveries",
    metadata,
    _serial("delivery_id"),
    Column("account_id", BigInteger, nullable=False),
    Column("task_id", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("state", _word(16), nullable=False),  # pending, delivered, failed
    Column("attempts", Integer, nullable=False),
    Column("due_ms", BigInteger),
    Column("last_status", Integer),
    Column("last_error", Text),
    Index("deliveries_account", "account_id"),
    Index("deliveries_state", "state"),
)

timeline = Table(
    "timeline",
    metadata,
    _serial("entry_id"),
    Column("device_id", BigInteger, nullable=False),
    Column("tid", BigInteger),
    Column("at_ms", BigInteger, nullable=False),
    Column("what", _word(32), nullable=False),
    Column("detail", Text),
    Index("timeline_device", "device_id"),
)

notices = Table(
    "notices",
    metadata,
    _serial("notice_id"),
    Column("account_id", BigInteger, nullable=False),
    Column("channel", _word(8), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Index("notices_account", "account_id"),
)

# P13: committed with the effect it belongs to.
answers = Table(
    "answers",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("call", _word(64), nullable=False),
    Column("key", _word(128), nullable=False),
    Column("body_digest", _word(64), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("answer", Text, nullable=False),
    PrimaryKeyConstraint("account_id", "call", "key"),
)
