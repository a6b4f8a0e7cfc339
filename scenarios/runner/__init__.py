"""Playing a scenario: the stub and the fleet are started, each step is done, compared, and the books are audited.

- `run`, `options`: one play from nothing to its verdict
- `director`: its steps, one after the other: done, waited for, predicted, judged
- `stage`, `roster`, `crew`: the world they are done in: the account, who is who, the devices that are there
- `actions`, `actions_flow`: each action, carried out: on devices and money; on tasks, auto-adds, webhook and faults
- `uploads`, `receiver`: what that takes: packages, and the webhook that pushes go to
- `awaited`, `waiting`: whose jobs a step waits for, and the waiting
- `standing`, `observe`, `look`: what is seen of it: the account; pushes and faults that struck; single devices
- `compare`: expected against seen, and predicted against seen
- `paper`, `paper_tasks`, `taken_in`: the same play on paper, by the auditor's book: devices, money; tasks; auto-adds
- `shelf`, `predicted`: what that takes: packages on paper, and the book's words in the scenario's
- `plan`: a play on paper alone, for `ota-sim check --plan`
- `events`, `watch`: what is told while it is on
"""
