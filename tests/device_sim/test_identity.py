"""A fleet's CSV: read as it was written, and all mistakes told at once with their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_sim import DeviceFileFault, Identity, read_devices_csv, write_devices_csv
from device_sim.identity import check_identities
from platform_stub.protocol.errors import UsageFault

HEAD = "device_id,product_id,name,key,iccid,imsi,f_version,s_version\n"
ALL = HEAD.strip() + ",flow,product_key,manufacturer,model"
KEY = "KuF3NT/jUBJ62LNBB/A8XZA9CqS3Cu79B/ABmfA1UCw="

version = st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True)
card = st.from_regex(r"[0-9A-Z]{0,20}", fullmatch=True)
some = st.builds(
    Identity,
    device_id=st.integers(1, 10**17),
    product_id=st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True),
    name=st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    key=st.just(KEY),
    iccid=card,
    imsi=card,
    f_version=version,
    s_version=version,
    flow=st.sampled_from([None, "mqtt", "fuse", "studio", "south"]),
    product_key=st.sampled_from(["", KEY]),
    manufacturer=st.sampled_from(["", "102"]),
    model=st.sampled_from(["", "M-1"]),
)


@given(
    st.lists(
        some, min_size=1, max_size=8, unique_by=(lambda i: i.device_id, lambda i: (i.product_id, i.name))
    )
)
def test_what_was_written_is_read(tmp_path_factory, identities):
    path = tmp_path_factory.mktemp("csv") / "fleet.csv"
    write_devices_csv(path, identities)
    assert read_devices_csv(path) == identities


def test_leading_zeros_and_missing_columns():
    (identity,) = read_devices_csv("x.csv", f"name,key,device_id,product_id,iccid\n\nd1,{KEY},7,00p,0089\n")
    assert identity == Identity(device_id=7, product_id="00p", name="d1", key=KEY, iccid="0089")


def test_spreadsheets_are_read():
    text = "\ufeff" + HEAD.replace("\n", "\r\n") + f'"7","p1"," d1 ","{KEY}",,,,\r\n,,,,,,,\r\n'
    assert read_devices_csv("x", text.removeprefix("\ufeff"))[0].name == "d1"


def test_all_mistakes_at_once():
    text = HEAD + "\n".join(
        [
            f"1,p1,d1,{KEY},0089,0460,1.0,",
            f"x,p 1,d/2,{KEY},,,,",
            f"0,p1,d3,{KEY}",
            f"1,p1,d4,{KEY},,,,",
            f"5,p1,d1,{KEY},,,,",
            "6,,d6,abc,8-9,,1 0,",
        ]
    )
    with pytest.raises(DeviceFileFault) as caught:
        read_devices_csv("fleet.csv", text)
    assert caught.value.mistakes == [
        "fleet.csv:3: device_id: 'x' is no device ID: a whole number from 1 is wanted",
        "fleet.csv:3: product_id: 'p 1' is not 1-32 letters and digits",
        "fleet.csv:3: name: 'd/2' is not 1-64 of A-Z a-z 0-9 _ -",
        "fleet.csv:4: 8 cells are wanted, as in the header; here are 4",
        "fleet.csv:5: device_id: 1 is there already, at line 2",
        "fleet.csv:6: name: p1/d1 is there already, at line 2",
        "fleet.csv:7: product_id: is empty",
        "fleet.csv:7: key: the access key is not base64 (3 characters; base64 has A-Z a-z 0-9 + /, padded with = to a multiple of 4)",
        "fleet.csv:7: iccid: '8-9' is not up to 32 letters and digits",
        "fleet.csv:7: f_version: '1 0' is not 1-20 of A-Z a-z 0-9 _ . -",
    ]
    assert "fleet.csv:3: device_id" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "f:1: the file is empty; a header row is wanted: " + ALL),
        (HEAD, "f:1: there is no device below the header"),
        ("name,key\n", "f:1: column device_id is missing; the header is " + ALL),
        (
            HEAD.strip() + ",extra\n",
            f"f:1: no column is named 'extra'; there are {ALL.replace(',', ', ')}",
        ),
        (HEAD.strip() + ",name\n", "f:1: column name is there twice"),
        (HEAD + '1,p1,"d1\n', 'f:2: unexpected end of data; cells are separated by commas, quoted by "'),
    ],
)
def test_a_file_that_is_no_fleet(text, mistake):
    with pytest.raises(DeviceFileFault) as caught:
        read_devices_csv("f", text)
    assert mistake in caught.value.mistakes


def test_lines_are_counted_through_quoted_ones():
    text = HEAD + f'1,p1,"d\n1",{KEY},,,,\n2,p1,d2,?,,,,\n'
    with pytest.raises(DeviceFileFault) as caught:
        read_devices_csv("f", text)
    assert [mistake.split(": ")[0] for mistake in caught.value.mistakes] == ["f:2", "f:4"]


def test_a_file_that_can_not_be_read(tmp_path):
    with pytest.raises(UsageFault, match=r"missing\.csv: No such file"):
        read_devices_csv(tmp_path / "missing.csv")
    (tmp_path / "latin.csv").write_bytes(b"na\xefve")
    with pytest.raises(UsageFault, match="not UTF-8 at byte 2"):
        read_devices_csv(tmp_path / "latin.csv")


def test_flows_and_product_keys_are_columns_that_need_not_be_there(tmp_path):
    text = f"device_id,product_id,name,key,flow,product_key\n1,p,a,{KEY},fuse,\n2,p,b,{KEY},,{KEY}\n3,p,c,{KEY},http,?\n"
    with pytest.raises(DeviceFileFault) as caught:
        read_devices_csv("f", text)
    assert caught.value.mistakes == [
        "f:4: flow: 'http' is none of mqtt, fuse, studio, south",
        "f:4: product_key: the access key is not base64 (1 characters; base64 has A-Z a-z 0-9 + /, padded with = to a multiple of 4)",
    ]
    first, second = read_devices_csv("f", text[: text.index("3,p,c")])
    assert (first.flow, first.product_key, second.flow, second.product_key) == ("fuse", "", None, KEY)
    write_devices_csv(tmp_path / "plain.csv", [Identity(device_id=1, product_id="p", name="n", key=KEY)])
    assert (tmp_path / "plain.csv").read_text().splitlines()[0] == HEAD.strip()


def test_manufacturer_and_model_are_columns_that_need_not_be_there():
    head = "device_id,product_id,name,key,manufacturer,model\n"
    (identity,) = read_devices_csv("f", f"{head}1,p,a,{KEY},102,M-1\n")
    assert (identity.manufacturer, identity.model) == ("102", "M-1")
    with pytest.raises(DeviceFileFault) as caught:
        read_devices_csv("f", f"{head}1,p,a,{KEY},A&B,{'m' * 33}\n")
    assert caught.value.mistakes == [
        "f:2: manufacturer: 'A&B' is not 1-32 of A-Z a-z 0-9 _ . -",
        f"f:2: model: '{'m' * 33}' is not 1-32 of A-Z a-z 0-9 _ . -",
    ]
    with pytest.raises(UsageFault, match=r"device 1 \(1\. of the list\): model: 'a b' is not"):
        check_identities(
            [Identity(device_id=1, product_id="p", name="a", key=KEY, flow="south", model="a b")]
        )


def test_a_key_is_not_shown():
    assert KEY not in repr(Identity(device_id=1, product_id="p", name="n", key=KEY))


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    mistakes = ["f:"]
    try:
        read_devices_csv("f", text)
    except DeviceFileFault as fault:
        mistakes = fault.mistakes
    assert all(mistake.startswith("f:") for mistake in mistakes)
