"""`ota-sim token`, as a person uses it."""

import hmac
from base64 import b64decode, b64encode

import pytest
from click.testing import CliRunner

from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.token import parse_token, verify
from scenarios.cli.token import token

KEY = "KuF3NT/jUBJ62LNBB/A8XZA9CqS3Cu79B/ABmfA1UCw="
OTHER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ET = 2524579200
RES = "products/123123/devices/dev01"
RAW = f"version=2018-10-31&res={RES}&et={ET}&method=sha1&sign=e+GBSbuiLcznuDdqOULzbnc6xxs="


def run(*arguments, **options):
    return CliRunner().invoke(token, [str(argument) for argument in arguments], **options)


def signed(text, key=None):
    """RAW, with a signature over some other text or with some other key."""
    sign = b64encode(hmac.digest(key or b64decode(KEY), text.encode(), "sha1")).decode()
    return RAW.rsplit("&", 1)[0] + f"&sign={sign}"


@pytest.mark.parametrize(
    ("arguments", "res", "version"),
    [
        (["--product", "123123", "--device", "dev01"], RES, "2018-10-31"),
        (["--product", "123123"], "products/123123", "2018-10-31"),
        (["--user", 5001], "userid/5001", "2022-05-01"),
        (["--product", "p", "--version", "2022-05-01", "--method", "sha256"], "products/p", "2022-05-01"),
    ],
)
def test_make_prints_a_token_and_nothing_else(arguments, res, version):
    made = run("make", "--key", KEY, *arguments, "--now", 1_000, "--expires", "1h30m")
    assert made.exit_code == 0
    parsed = parse_token(made.stdout.removesuffix("\n"))
    assert (parsed.res, parsed.version, parsed.et) == (res, version, 1_000 + 5_400)
    assert verify(parsed, KEY)


def test_make_takes_the_end_as_a_date_and_the_key_from_stdin_or_environment():
    arguments = ["make", "--product", "123123", "--device", "dev01", "--et", "2050-01-01T00:00+08:00"]
    piped = run(*arguments, "--key", "-", input=KEY + "\n")
    exported = run(*arguments, env={"OTA_SIM_KEY": KEY})
    assert piped.stdout == exported.stdout
    assert parse_token(piped.stdout.strip()).et == 2524579200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "whose token"),
        (["--device", "d"], "whose token"),
        (["--user", 1, "--product", "p"], "stands alone"),
        (["--product", "p", "--et", 1, "--expires", "1d"], "give one"),
    ],
)
def test_make_says_what_does_not_go_together(arguments, message):
    outcome = run("make", "--key", KEY, *arguments)
    assert isinstance(outcome.exception, UsageFault)
    assert message in str(outcome.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--expires", "30"], "such as 90s"),
        (["--expires", "soon"], "a span of time is wanted"),
        (["--et", "tomorrow"], "a moment with its zone"),
        (["--method", "sha512"], "sha512"),
    ],
)
def test_make_says_what_it_can_not_read(arguments, message):
    outcome = run("make", "--key", KEY, "--product", "p", *arguments)
    assert outcome.exit_code == 2
    assert message in outcome.output


def test_a_bad_key_is_refused_and_not_echoed():
    outcome = run("make", "--key", "secret!", "--product", "p")
    assert isinstance(outcome.exception, UsageFault)
    assert "secret" not in outcome.output + str(outcome.exception)


def test_a_token_for_an_account_in_the_old_version_is_made_with_a_note():
    made = run("make", "--key", KEY, "--user", 1, "--version", "2018-10-31")
    assert made.exit_code == 0
    assert "2022-05-01" in made.stderr


@pytest.mark.parametrize("text", [RAW, "Authorization: " + RAW, f"'{RAW}'"])
def test_explain_takes_a_good_token_apart(text):
    outcome = run("explain", text, "--now", ET - 7_200)
    assert outcome.exit_code == 0
    for shown in (
        "device dev01 of product 123123, signed with the device's key",
        "good until 2049-12-31 16:00:00 UTC (in 2 h)",
        f"  {ET}\n  sha1\n  {RES}\n  2018-10-31\n",
        "res=products%2F123123%2Fdevices%2Fdev01",
        "well formed",
    ):
        assert shown in outcome.output


def test_explain_names_everything_that_is_wrong():
    outcome = run("explain", "version=2018&res=products/1/device/a&et=x&method=md5&sing=e+GB&\x1b[31m=1")
    assert outcome.exit_code == 1
    for shown in (
        "did you mean sign?",
        "nothing that OneNET knows",
        "version is none of",
        "et      is not unix",
    ):
        assert shown in outcome.output
    assert "\x1b" not in outcome.output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (RAW.replace(str(ET), f"{ET}000"), "are these milliseconds?"),
        (RAW.replace(str(ET), "1000"), "expired"),
        (RAW.replace("+", " "), "%2B"),
        ("x" * 5_000, "longer than"),
        ("", "is missing"),
    ],
)
def test_explain_hints(text, shown):
    assert shown in run("explain", text).output


@pytest.mark.parametrize(
    ("text", "now", "shown"),
    [
        (RAW, ET + 7_200, "et      expired at 2049-12-31 16:00:00 UTC (2 h ago)"),
        (RAW.replace("devices", "things"), ET, "res     names nothing that OneNET knows"),
    ],
)
def test_explain_counts_what_every_platform_refuses(text, now, shown):
    outcome = run("explain", text, "--now", now)
    assert outcome.exit_code == 1
    assert f"wrong with it\n  {shown}" in outcome.output
    assert "well formed" not in outcome.output


def test_make_says_that_et_is_in_the_past():
    made = run("make", "--key", KEY, "--product", "p", "--et", 1_000, "--now", 4_600)
    assert made.exit_code == 0
    assert made.stderr == "note: et is in the past: 1970-01-01 00:16:40 UTC (1 h ago)\n"


def test_explain_reads_from_stdin():
    assert run("explain", "-", input=RAW + "\n").exit_code == 0


def test_verify_accepts_what_the_key_made():
    outcome = run("verify", RAW, "--key", KEY, "--now", ET)
    assert outcome.exit_code == 0
    assert outcome.output.startswith("genuine: device dev01 of product 123123")


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (RAW, ["--now", ET + 1], "et expired at"),
        (RAW, ["--now", "2030-01-01T00:00Z", "--fuse"], "at most 10 years"),
        (RAW.replace("devices", "things"), [], "nothing that OneNET knows"),
        (RAW.replace("dev01", "dev02"), [], "this key did not make it (it takes the device's key)"),
        ("version=2018-10-31", [], "no token: res is missing"),
        (signed(f"{ET}\nsha1\n{RES}\n2018-10-31", KEY.encode()), [], "must be base64-decoded first"),
        (signed(f"{ET}\nsha1\n{RES}\n2018-10-31\n"), [], "ended with a line feed"),
        (signed(f"{ET}\nsha1\n{RES.replace('/', '%2F')}\n2018-10-31"), [], "was URL-encoded before"),
        (signed(f"2018-10-31\n{RES}\n{ET}\nsha1"), [], "joined in the order sent"),
        (signed(f"{ET}sha1{RES}2018-10-31"), [], "without line feeds"),
        (signed(f"{ET}\r\nsha1\r\n{RES}\r\n2018-10-31"), [], "CR LF"),
    ],
)
def test_verify_says_why_not(text, options, reason):
    outcome = run("verify", text, "--key", KEY, *options)
    assert outcome.exit_code == 1
    assert reason in outcome.output
    assert KEY not in outcome.output


def test_verify_gives_every_reason():
    outcome = run("verify", RAW, "--key", OTHER_KEY, "--now", ET + 1)
    assert outcome.exit_code == 1
    assert outcome.output.count("refused: ") == 2
