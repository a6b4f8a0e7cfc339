"""The facts' own numbers and texts, typed in from the protocol facts, never read from the code. None: the text is free."""

FUSE_CODES = {
    0,
    20,
    10001,
    10403,
    10410,
    10500,
    12001,
    12002,
    12004,
    12010,
    12011,
    12012,
    12013,
    12014,
    12015,
    12016,
}
FUSE_CODE = {
    "OK": 0, "TASK_FINISHED": 20, "BAD_PARAMETER": 10001, "AUTHENTICATION": 10403, "NO_SUCH_DEVICE": 10410,
    "INTERNAL": 10500, "PARAMETER_REQUIRED": 12001, "NOT_FOUND": 12002, "FORMAT": 12004, "TASK_TYPE": 12010,
    "START_VERSION": 12011, "NO_TASK": 12012, "ALREADY_AT_TARGET": 12013, "TASK_EXPIRED": 12014,
    "INVALID_PARAMETER": 12015, "INVALID_STEP": 12016,
}  # fmt: skip
OTA_ERRNO = {"OK": 0, "DEVICE": 1, "FILE": 2, "STORAGE": 3, "SIZE": 4, "ENDED": 5, "AUTHENTICATION": 6}
UPDATE_KIND = {"FOTA": 1, "SOTA": 2}
JOB_STATE = {"PENDING": 1, "DOWNLOADING": 2, "UPGRADING": 3, "SUCCESS": 4, "FAILED": 5, "CANCELLED": 6}

NOT_ENOUGH = "remaining licenses are insufficient"
SOUTH = {
    "INVALID_AUTHORIZATION": (1, None), "INVALID_RESOURCE": (1, None), "TOKEN_TOO_LONG": (1, None),
    "TOKEN_EXPIRED": (1, None), "NO_SUCH_DEVICE": (1, None), "PARAMETER_REQUIRED": (2, None),
    "BAD_PARAMETER": (2, None), "BAD_VERSION": (27, None), "BAD_TYPE": (2, None), "BAD_STEP": (21, "invalid state"),
    "BAD_RESULT": (24, None),
    "NO_TASK": (11, "not exists"), "NOT_FOUND": (4, "not found"), "AT_TARGET": (20, None), "FINISHED": (20, None),
    "CANCELLED": (22, None), "JOB_EXPIRED": (12, None), "PAUSED": (19, None), "MODEL_MISMATCH": (8, None),
    "START_VERSION": (9, None), "NO_DIFFERENTIAL": (32, None), "LICENCES_INSUFFICIENT": (5116, NOT_ENOUGH),
    "JOB_TOKEN_MISSING": (4, None), "JOB_TOKEN_EXPIRED": (12, None), "WRONG_STATE": (17, None),
    "UNAVAILABLE": (7, None),
}  # fmt: skip
STUDIO = SOUTH | {
    "NO_TASK": (10, None), "LICENCES_INSUFFICIENT": (10, NOT_ENOUGH), "PAUSED": (10, None),
    "BAD_STEP": (21, None), "NOT_FOUND": (4, None),
}  # fmt: skip
FAILED = "authentication failed:"
FUSE = {
    "INVALID_AUTHORIZATION": (10403, FAILED + "invalid authorization"),
    "INVALID_RESOURCE": (10403, FAILED + "invalid resource"),
    "TOKEN_TOO_LONG": (10403, FAILED + "token expire is too long,max expire limit 10 years"),
    "TOKEN_EXPIRED": (10403, FAILED + "request has expired:expire={expire},now={now}"),
    "NO_SUCH_DEVICE": (10410, None), "PARAMETER_REQUIRED": (12001, None), "BAD_PARAMETER": (12015, None),
    "BAD_VERSION": (12004, None), "BAD_TYPE": (12010, None), "BAD_STEP": (12016, None), "BAD_RESULT": (12016, None),
    "NO_TASK": (12012, "not exist"), "NOT_FOUND": (12002, None), "AT_TARGET": (12013, "task succ"),
    "FINISHED": (20, "task finish"), "CANCELLED": (20, "task finish"), "JOB_EXPIRED": (12014, "task expire"),
    "PAUSED": (12012, "not exist"), "MODEL_MISMATCH": (12015, None), "START_VERSION": (12011, None),
    "NO_DIFFERENTIAL": (12011, None), "LICENCES_INSUFFICIENT": (12012, NOT_ENOUGH),
    "JOB_TOKEN_MISSING": (12002, None), "JOB_TOKEN_EXPIRED": (12014, None), "WRONG_STATE": (12016, None),
    "UNAVAILABLE": (10500, None),
}  # fmt: skip

DOWNLOAD_ERRNO = {
    **dict.fromkeys(("INVALID_AUTHORIZATION", "INVALID_RESOURCE", "TOKEN_TOO_LONG", "TOKEN_EXPIRED"), 6),
    "NO_SUCH_DEVICE": 1,
    **dict.fromkeys(("NOT_FOUND", "JOB_TOKEN_MISSING", "BAD_PARAMETER", "PARAMETER_REQUIRED"), 2),
    "UNAVAILABLE": 3,
    **dict.fromkeys(
        ("NO_TASK", "AT_TARGET", "FINISHED", "CANCELLED", "JOB_EXPIRED", "JOB_TOKEN_EXPIRED", "PAUSED"), 5
    ),
}
DOWNLOAD_BODY = {
    **dict.fromkeys(("INVALID_AUTHORIZATION", "INVALID_RESOURCE", "TOKEN_TOO_LONG", "TOKEN_EXPIRED"), b"3"),
    **dict.fromkeys(("JOB_TOKEN_MISSING", "JOB_TOKEN_EXPIRED"), b"3"),
    **dict.fromkeys(("NO_SUCH_DEVICE", "NOT_FOUND", "NO_TASK", "AT_TARGET", "FINISHED"), b"1"),
    **dict.fromkeys(("CANCELLED", "JOB_EXPIRED", "PAUSED"), b"1"),
    "UNAVAILABLE": b"4",
    **dict.fromkeys(("BAD_PARAMETER", "PARAMETER_REQUIRED"), b"5"),
}

OPEN = ("PENDING", "DOWNLOADING", "UPGRADING")
STRICT_TRANSITIONS = {
    ("PENDING", "STARTED"): "DOWNLOADING",
    ("DOWNLOADING", "PROGRESS"): "DOWNLOADING",
    ("DOWNLOADING", "PROGRESS_DONE"): "UPGRADING",
    ("PENDING", "DOWNLOADED"): "UPGRADING",
    ("DOWNLOADING", "DOWNLOADED"): "UPGRADING",
    ("PENDING", "DOWNLOAD_FAILED"): "FAILED",
    ("DOWNLOADING", "DOWNLOAD_FAILED"): "FAILED",
    ("UPGRADING", "UPDATED"): "SUCCESS",
    ("PENDING", "TARGET_REPORTED"): "SUCCESS",
    **{(state, "UPDATE_FAILED"): "FAILED" for state in OPEN},
    **{(state, "CANCELLED"): "CANCELLED" for state in OPEN},
    **{(state, "EXPIRED"): "FAILED" for state in OPEN},
}
TRANSITIONS = STRICT_TRANSITIONS | {
    ("PENDING", "UPDATED"): "SUCCESS",
    ("DOWNLOADING", "UPDATED"): "SUCCESS",
    ("DOWNLOADING", "TARGET_REPORTED"): "SUCCESS",
    ("UPGRADING", "TARGET_REPORTED"): "SUCCESS",
}
DOWNLOAD_FAILURES = {102: None, 103: None, 104: None, 105: None, 106: None, 107: None}
UPDATE_FAILURES = {202: None, 203: None, 204: None, 205: None, 206: None, 207: None, 208: None}

TOPICS = {
    "ROOT": "$sys",
    "INFORM": "/ota/inform",
    "INFORM_REPLY": "/ota/inform_reply",
    "VERSION": "/ota/version",
    "VERSION_REPLY": "/ota/version_reply",
    "STATUS": "/ota/status",
    "STATUS_REPLY": "/ota/status_reply",
    "PROPERTY_POST": "/thing/property/post",
    "PROPERTY_POST_REPLY": "/thing/property/post/reply",
    "DATA_POINT": "/dp/post/json",
    "DATA_POINT_ACCEPTED": "/dp/post/json/accepted",
    "DATA_POINT_REJECTED": "/dp/post/json/rejected",
}
TOKEN = {
    "VERSION_2018": "2018-10-31",
    "VERSION_2022": "2022-05-01",
    "DIGEST_SIZES_BYTES": {"md5": 16, "sha1": 20, "sha256": 32},
    "PARTS": ("version", "res", "et", "method", "sign"),
    "ET_S_MAX": 9_223_372_036_854_775_807,
    "TEN_YEARS_S": 315_360_000,
}
LIMITS = {
    "keepalive_min_s": 10,
    "keepalive_max_s": 1800,
    "subscriptions_max": 10,
    "payload_bytes_max": 262_144,
}

KEY_1 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEY_2 = "KuF3NT/jUBJ62LNBB/A8XZA9CqS3Cu79B/ABmfA1UCw="
VECTORS = [
    (KEY_1, 1767225600, "sha1", "products/Y6O759jbtX/devices/upgrade", "2022-05-01", "hUq2AGdEdN8EdT5jBcq1m/jjzEM="),
    (KEY_2, 2524579200, "sha1", "products/123123", "2018-10-31", "KZ18T1EpqdlSAhQqEQjNBA0vgUU="),
    (KEY_2, 2524579200, "sha1", "products/123123/devices/dev01", "2018-10-31", "e+GBSbuiLcznuDdqOULzbnc6xxs="),
    (KEY_2, 1924833600, "md5", "products/123123/devices/dev01", "2018-10-31", "aNFwTVQKZj80tOjqfrjHvw=="),
    (KEY_2, 1924833600, "sha256", "products/123123/devices/dev01", "2022-05-01", "Gtp0ZzioVgv2wNP8XXp46Oorkedd+NWrxQ0dOKoEJmA="),
    (KEY_2, 1924833600, "sha1", "userid/5001", "2022-05-01", "BJEI8w4q/cfFxA9+anhxwkD98EE="),
]  # fmt: skip

RANGES = [
    # header, (first byte, last byte) of 1,000, whether it is the whole file
    ("bytes=0-99", (0, 99), False),
    ("0-99", (0, 99), False),
    ("bytes=900-", (900, 999), False),
    ("900-", (900, 999), False),
    ("bytes=-100", (900, 999), False),
    ("-100", (900, 999), False),
    ("bytes=999-999", (999, 999), False),
    ("bytes=900-5000", (900, 999), False),
    ("bytes=-5000", (0, 999), True),
    ("bytes=1000-", (0, 999), True),
    ("bytes=1000-1099", (0, 999), True),
    ("bytes=99999999999999999999999-", (0, 999), True),
    ("bytes=0-99999999999999999999999", (0, 999), True),
    ("bytes=200-100", (0, 100), False),
    ("bytes=0-", (0, 999), True),
    ("bytes=0-999", (0, 999), True),
    ("", (0, 999), True),
    ("bytes=", (0, 999), True),
    ("bytes=-", (0, 999), True),
    ("bytes=a-b", (0, 999), True),
    ("bytes=1-2,4-5", (0, 999), True),
    ("items=1-2", (0, 999), True),
    ("bytes=-1-5", (0, 999), True),
    ("bytes=1.5-7", (0, 999), True),
]
