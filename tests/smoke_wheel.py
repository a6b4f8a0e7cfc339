"""Builds the wheel, installs it into a new environment, and uses it there: `python -m tests.smoke_wheel`."""

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("platform_stub", "device_sim", "scenarios")


def run(*command, cwd):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", here, ROOT, cwd=here)
        (wheel,) = here.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        strays = [name for name in names if name.split("/")[0].split("-")[0] not in (*PACKAGES, "ota_sim")]
        assert not strays, f"the wheel holds more than the three packages: {strays[:5]}"
        assert any(name.startswith("scenarios/library/") and name.endswith(".yaml") for name in names)
        assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
        venv.create(here / "env", with_pip=True)
        python = here / "env" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel, cwd=here)
        where = run(
            python,
            "-c",
            f"import {', '.join(PACKAGES)}; print({'.__file__, '.join(PACKAGES)}.__file__)",
            cwd=here,
        )
        assert where.count(str(here / "env")) == len(PACKAGES), f"a package is not ours: {where}"
        tool = here / "env" / "bin" / "ota-sim"
        run(tool, "check", "examples", cwd=here)
        print(run(tool, "run", "b13-insufficient", "--report-dir", "reports", cwd=here))
        page = (here / "reports" / "report.html").read_text()
        assert "<svg" in page, "the report has no picture"
        assert "<script" in page, "the report has lost its script"
        run(tool, "new", "mine.yaml", cwd=here)
        run(tool, "run", "mine.yaml", cwd=here)
        device = f"{tool} device"
        run(tool, "conform", "--entrypoint", device, "--flow", "fuse", "--only", "good", cwd=here)
    print("the built wheel works in a new environment")


if __name__ == "__main__":
    main()
