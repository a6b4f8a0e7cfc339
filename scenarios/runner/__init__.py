"""Playing a scenario: the stub and the fleet are started, each step is done, compared, and the books are audited.

- `run`, `options`: one play from nothing to its verdict
- `director`: its steps, one after the other, and those at the end
- `turn`, `turns`, `abreast`: a step while it is on: begun, done, predicted, waited for; several at once
- `judge`, `nevers`: the verdict on it, and what must never be so
- `stage`, `roster`, `crew`: the world it is done in: the account, who is who, the devices that are there
- `actions`, `actions_flow`, `actions_devices`: each action, carried out: money; tasks, webhook; devices
- `uploads`, `receiver`: what that takes: packages, and the webhook that pushes go to
- `awaited`, `waiting`, `until`: whose jobs a step waits for, the waiting, and waiting for something to be so
- `clock`: the account's clock and the devices' own time, moved together
- `standing`, `observe`, `look`, `findings`: what is seen of it: the account; pushes, journal; devices and messages
- `compare`: expected against seen, and predicted against seen
- `paper`, `paper_tasks`, `taken_in`: the same play on paper, by the auditor's book: money; tasks; auto-adds
- `paper_orders`, `paper_devices`, `paper_faults`: what steps about tasks or devices must answer; what may go wrong
- `shelf`, `predicted`: what that takes: packages on paper, and the book's words in the scenario's
- `plan`: a play on paper alone, for `ota-sim check --plan`
- `events`, `watch`, `sampler`, `stories`: what is told while it is on, and kept for the report
"""
