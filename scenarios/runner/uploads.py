"""Packages of a play: made up from its seed, uploaded once for all steps that use the same one."""

import random
from typing import Final

from platform_stub.protocol import operator as api
from scenarios.operator import Refusal
from scenarios.play import PackageFacts
from scenarios.runner.stage import Stage

_NAME_MAX: Final = 20


async def upload(stage: Stage, facts: PackageFacts, *, skip: bool) -> api.Package | Refusal:
    """Give the package that these facts describe; `facts` name its product. `skip`: skip its verification.

    One at a time: steps that are done at once share a package too.
    """
    async with stage.uploading:
        return await _upload(stage, facts, skip=skip)


async def _upload(stage: Stage, facts: PackageFacts, *, skip: bool) -> api.Package | Refusal:
    package = stage.packages.get(facts)
    if package is None:
        added = await _add(stage, facts)
        if isinstance(added, Refusal):
            return added
        package = stage.packages[facts] = added
    if skip and package.verification == "open":
        skipped = await stage.operator.skip_verification(package.package_id)
        if isinstance(skipped, Refusal):
            return skipped
        package = stage.packages[facts] = skipped
    return package


async def _add(stage: Stage, facts: PackageFacts) -> api.Package | Refusal:
    assert facts.product is not None
    key = (facts.product, facts.kind, facts.target, facts.size_bytes, facts.start_version)
    number = f"-{len(stage.packages) + 1}"
    return await stage.operator.add_package(
        stage.products[facts.product],
        facts.kind,
        f"{facts.kind}-{facts.target}"[: _NAME_MAX - len(number)] + number,
        facts.target,
        random.Random(f"{stage.play.seed}/{key}").randbytes(facts.size_bytes),
        manufacturer=facts.manufacturer,
        model=facts.model,
        start_version=facts.start_version,
    )
