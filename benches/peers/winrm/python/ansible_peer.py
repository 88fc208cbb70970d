"""ansible-core: the module `raw` over the connection `winrm`, as `ansible all -m raw` runs it."""

import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile

import peer


def fleet(task):
    """One command on every host, in forks."""
    with tempfile.TemporaryDirectory() as folder:
        inventory = pathlib.Path(folder, "inventory.json")
        settings = {
            "ansible_connection": "winrm",
            "ansible_shell_type": "cmd",
            "ansible_user": task["user"],
            "ansible_password": task["password"],
            "ansible_winrm_transport": "ntlm",
            "ansible_winrm_scheme": "http",
            "ansible_winrm_message_encryption": "always",
        }
        hosts = {
            f"sim-{port}": {"ansible_host": "127.0.0.1", "ansible_port": port} for port in task["ports"]
        }
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": settings}}), encoding="utf-8")
        os.environ |= {
            "ANSIBLE_HOME": folder,
            "ANSIBLE_LOCAL_TEMP": folder,
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "LC_ALL": "C.UTF-8",
        }
        # Ansible reads its settings when it is imported.
        from ansible.cli.adhoc import AdHocCLI

        arguments = ["ansible", "all", "-i", str(inventory), "-m", "raw", "-a", "echo here"]
        arguments += ["--forks", str(task["forks"])]
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = run(AdHocCLI(arguments))
        if code != 0:
            raise RuntimeError(f"ansible ended with {code}: {output.getvalue()[:300]}")
        answered = output.getvalue().count("here")
        if answered < len(task["ports"]):
            raise RuntimeError(f"{answered} hosts answered: {output.getvalue()[:300]}")
    return {}


def run(cli):
    """Runs a command of Ansible as its own main function does."""
    cli.parse()
    return cli.run()


peer.perform("ansible-core", {"fleet": fleet})
