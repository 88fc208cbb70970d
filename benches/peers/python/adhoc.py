"""One command on every host of an inventory, in forks, as `ansible all -m raw` runs it."""

import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile


def raw(hosts, settings, forks, environment):
    """Runs `echo here` on all hosts; `hosts` has each host's own settings by its name. All of them must answer."""
    with tempfile.TemporaryDirectory() as folder:
        inventory = pathlib.Path(folder, "inventory.json")
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": settings}}), encoding="utf-8")
        os.environ |= {
            "ANSIBLE_HOME": folder,
            "ANSIBLE_LOCAL_TEMP": folder,
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "LC_ALL": "C.UTF-8",
        } | environment
        # Ansible reads its settings when it is imported.
        from ansible.cli.adhoc import AdHocCLI

        arguments = ["ansible", "all", "-i", str(inventory), "-m", "raw", "-a", "echo here"]
        arguments += ["--forks", str(forks)]
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = run(AdHocCLI(arguments))
        if code != 0:
            raise RuntimeError(f"ansible ended with {code}: {output.getvalue()[:300]}")
        answered = output.getvalue().count("here")
        if answered < len(hosts):
            raise RuntimeError(f"{answered} hosts answered: {output.getvalue()[:300]}")


def run(cli):
    """Runs a command of Ansible as its own main function does."""
    cli.parse()
    return cli.run()
