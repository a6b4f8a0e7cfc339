"""What is there before the first step: policy, account, variants, products, fleets."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from platform_stub.protocol.messages import CardNumber
from platform_stub.protocol.operator import Key, ProductKey
from scenarios.model.base import Written
from scenarios.model.devices import Fault, Hardware
from scenarios.terms import (
    DEVICES_MAX,
    Amount,
    DeviceName,
    Flow,
    Line,
    ModelCode,
    Moment,
    Slug,
    Tally,
    Version,
)


class Policy(Written, frozen=True, kw_only=True):
    """What the charging rules leave open, and the price; left out means as it is by default."""

    price_fen: (
        Annotated[Tally, Meta(description="The price of a licence in fen. Default: 100.")] | UnsetType
    ) = UNSET
    free_devices: (
        Annotated[Tally, Meta(description="Devices that subscribing makes free (B5). Default: 100.")]
        | UnsetType
    ) = UNSET
    charging_date: (
        Annotated[
            Moment | None, Meta(description="The rules charge from this moment on; null: not yet (B1, P4).")
        ]
        | UnsetType
    ) = UNSET
    deduction_order: (
        Annotated[
            Literal["purchased_first", "free_first"],
            Meta(description="Which licences go first (P1). Default: purchased_first."),
        ]
        | UnsetType
    ) = UNSET
    grandfathered_when: (
        Annotated[
            Literal["job_created", "update_succeeded"],
            Meta(description="What makes a device free for life before the date (P3). Default: job_created."),
        ]
        | UnsetType
    ) = UNSET
    arrears_hold: (
        Annotated[
            Literal["pending", "creation"],
            Meta(description="What arrears hold back (P10). Default: pending."),
        ]
        | UnsetType
    ) = UNSET


class Account(Written, frozen=True, kw_only=True):
    """How the account stands before the first step; done in the order of these fields."""

    subscribe: (
        Annotated[bool, Meta(description="Subscribe to the OTA service (B5). Default: true.")] | UnsetType
    ) = UNSET
    top_up: Annotated[Amount, Meta(description="Money paid in.")] | UnsetType = UNSET
    buy: Annotated[Tally, Meta(description="Licences bought online; the balance pays (B4).")] | UnsetType = (
        UNSET
    )
    grant: Annotated[Tally, Meta(description="Licences bought under a contract (B4).")] | UnsetType = UNSET
    post: (
        Annotated[Amount, Meta(description="Another posting, such as -1 yuan to be in arrears.")] | UnsetType
    ) = UNSET


class Variant(Written, frozen=True, kw_only=True):
    """One way to play the scenario: what differs in policy and account."""

    title: Annotated[Line, Meta(description="What this variant is about.")] = ""
    policy: Annotated[Policy, Meta(description="Fields that differ from the scenario's policy.")] = Policy()
    account: Annotated[Account, Meta(description="Fields that differ from the scenario's account.")] = (
        Account()
    )


class Product(Written, frozen=True, kw_only=True):
    """A product of the account."""

    id: (
        Annotated[ProductKey, Meta(description="Its id at the platform; made up when left out.")] | UnsetType
    ) = UNSET
    title: Annotated[Line, Meta(description="Its name at the platform.")] = ""


class Fleet(Written, frozen=True, kw_only=True):
    """Devices, by number or from a file; they are counted from 1 in the order they are registered."""

    count: (
        Annotated[
            int, Meta(ge=1, le=DEVICES_MAX, description="How many devices; they are named after the fleet.")
        ]
        | UnsetType
    ) = UNSET
    file: (
        Annotated[
            Line,
            Meta(
                description="A CSV file with a header row, beside the scenario: name, and if wanted key, iccid, imsi, "
                "f_version, s_version, flow, product_key, manufacturer, model."
            ),
        ]
        | UnsetType
    ) = UNSET
    product: Annotated[Slug, Meta(description="The product they belong to. Default: main.")] = "main"
    f_version: Annotated[Version, Meta(description="Firmware they run at the start. Default: 1.0.")] = "1.0"
    s_version: Annotated[
        Version, Meta(description="MCU application they run at the start. Default: 1.0.")
    ] = "1.0"
    connect: Annotated[
        bool,
        Meta(description="Whether they are there and really update; else jobs stay pending. Default: true."),
    ] = True
    flow: Annotated[
        Flow,
        Meta(
            description="What they speak: MQTT alone, or one of the HTTP generations C (fuse), B (studio), A (south). "
            "Default: mqtt."
        ),
    ] = "mqtt"
    manufacturer: (
        Annotated[
            ModelCode, Meta(description="Their manufacturer, as devices of generation A (south) name theirs.")
        ]
        | UnsetType
    ) = UNSET
    model: (
        Annotated[ModelCode, Meta(description="Their model, as devices of generation A (south) name theirs.")]
        | UnsetType
    ) = UNSET
    device: Annotated[
        Hardware, Meta(description="What they are besides their software. Left out: they lack nothing.")
    ] = Hardware()
    faults: Annotated[
        list[Fault], Meta(max_length=100, description="What goes wrong with all of them from the start on.")
    ] = field(default_factory=list)


class CsvDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of a fleet's CSV file; what it leaves out is the fleet's."""

    name: DeviceName
    key: (
        Annotated[
            Key,
            Meta(
                extra_json_schema={"x-wanted": "an access key: base64, 4 to 128 characters", "x-secret": True}
            ),
        ]
        | UnsetType
    ) = UNSET
    iccid: CardNumber | UnsetType = UNSET
    imsi: CardNumber | UnsetType = UNSET
    f_version: Version | UnsetType = UNSET
    s_version: Version | UnsetType = UNSET
    flow: Flow | UnsetType = UNSET
    product_key: (
        Annotated[
            Key,
            Meta(
                extra_json_schema={"x-wanted": "an access key: base64, 4 to 128 characters", "x-secret": True}
            ),
        ]
        | UnsetType
    ) = UNSET
    manufacturer: ModelCode | UnsetType = UNSET
    model: ModelCode | UnsetType = UNSET
