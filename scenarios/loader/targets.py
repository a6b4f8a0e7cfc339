"""An injected fault held against the devices that it is for: one that can strike none of them is a mistake."""

from platform_stub.protocol.injected import find_mistake
from scenarios import model
from scenarios.loader.document import Document, Entry
from scenarios.loader.mistakes import listing
from scenarios.loader.names import Names
from scenarios.loader.orders import read_fault
from scenarios.strikes import can_strike


def judge_target(document: Document, names: Names, entry: Entry) -> None:
    """Note it when none of the devices of a step's fault ever does the call that goes wrong."""
    fault = None if entry.step is None else entry.step.inject
    path = (*entry.path, "inject")
    if not isinstance(fault, model.Inject) or document.has_mistakes_below(path):
        return
    texts = [fault.devices] if isinstance(fault.devices, str) else fault.devices
    if find_mistake(read_fault(fault)) is not None:
        return
    who = "these devices" if isinstance(texts, list) else "the scenario's devices"
    flows = names.flows_at(texts) if isinstance(texts, list) else names.flows_of(names.fleets)
    if flows is None or any(can_strike(read_fault(fault), flow) for flow in flows):
        return
    if not flows:
        document.blame(path, f"{who} are not connected (connect: false), so it strikes none of them")
        return
    field = "call" if fault.flow == "any" else "flow"
    text = f"{who} speak {listing(sorted(flows))}, so {field} {getattr(fault, field)} strikes none of them"
    document.blame((*path, field), text)
