"""A locustfile: creators of tasks, for Locust as its users know it.

    locust -f locustfile_tasks.py -H http://127.0.0.1:8080 -u 20 --task-devices 1000 --task-rate 50/s

against a running platform with our operator API (`ota-sim serve`). It makes an account, licences and devices itself.
Web page, CSV, HTML, `--headless`, `--master` and `--worker` are Locust's; with `--task-rate` the times in its
statistics count from when a creation should have begun. At the end it prints exact percentiles; its web page has them
at /ota-sim.
`ota-sim load create-task` uses this file too, and adds set-up, thresholds, reports and the audit.
"""
# mypy: disallow-untyped-decorators=False
# Locust's have no annotations

import os
from typing import Any, Final

from locust import FastHttpUser, events, task
from locust.exception import StopUser

from scenarios.load.locust_process import PIPE
from scenarios.load.report import table_lines
from scenarios.load.result import measurements_json
from scenarios.load.tasks.inside.creator import Creator
from scenarios.load.tasks.inside.run import REPORT, TaskRun
from scenarios.load.tasks.plan import OPEN_HELP, OPTIONS
from scenarios.load.tasks.wire import ABOUTS, GROUND_FILE

_runs: Final[list[TaskRun]] = []


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    group = parser.add_argument_group("ota-sim task creation", "What a creator does.")
    for name, (default, help_text) in OPTIONS.items():
        variable = f"OTA_TASK_{name.replace('-', '_').upper()}"
        text = help_text.replace("%", "%%")
        group.add_argument(f"--task-{name}", default=default, env_var=variable, help=text, metavar="TEXT")
    group.add_argument("--task-open", action="store_true", env_var="OTA_TASK_OPEN", help=OPEN_HELP)


@events.init.add_listener
def _init(environment: Any, **_: Any) -> None:
    pipe = os.environ.get(PIPE)
    run = TaskRun(environment, os.environ.get(GROUND_FILE), None if pipe is None else int(pipe))
    _runs.append(run)
    if environment.web_ui is not None:

        @environment.web_ui.app.route("/ota-sim")
        def exact() -> Any:
            body = measurements_json(run.tally.measurements(run.seconds_so_far(), ABOUTS))
            return body, 200, {"Content-Type": "application/json"}


@events.test_start.add_listener
def _start(**_: Any) -> None:
    _runs[0].begin()


@events.spawning_complete.add_listener
def _spawned(user_count: int, **_: Any) -> None:
    if _runs:
        _runs[0].all_spawned(user_count)


@events.request.add_listener
def _request(name: str, response_time: float, exception: Any, context: dict[str, Any], **_: Any) -> None:
    _runs[0].heard(name, response_time, exception, context)


@events.report_to_master.add_listener
def _report(data: dict[str, Any], **_: Any) -> None:
    data[REPORT] = _runs[0].report()


@events.worker_report.add_listener
def _worker_report(client_id: str, data: dict[str, Any], **_: Any) -> None:
    if REPORT in data:
        _runs[0].absorb(client_id, data[REPORT])


@events.test_stop.add_listener
def _stop(**_: Any) -> None:
    _runs[0].stopped()


@events.quit.add_listener
def _say(**_: Any) -> None:
    """Print what was counted exactly, where no command does; after Locust's own summary."""
    run = _runs[0] if _runs else None
    if run is None or run.is_worker or PIPE in os.environ:
        return
    measured = run.tally.measurements(run.seconds_so_far(), ABOUTS)
    if measured:
        print("exact, from intended starts where a rate is given")  # noqa: T201 - Locust's users read its output
        print("\n".join(table_lines(measured)))  # noqa: T201


class TaskCreator(FastHttpUser):
    """Creates tasks for devices of its own, one after the other or at the moments of a rate."""

    max_redirects = 0
    creator: Creator | None = None

    def __init__(self, environment: Any) -> None:
        self.network_timeout = self.connection_timeout = _runs[0].plan.timeout_s
        super().__init__(environment)

    def on_start(self) -> None:
        """Take devices, or register some."""
        self.creator = _runs[0].new_creator(self)

    def on_stop(self) -> None:
        """Leave."""
        if self.creator is not None:
            _runs[0].leave()

    @task
    def create(self) -> None:
        """Wait for a turn, and create a task."""
        if self.creator is None or not self.creator.create(_runs[0].turn()):
            raise StopUser
