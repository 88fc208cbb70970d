"""ansible-core: the module `raw` over the connection `winrm`."""

import adhoc
import peer


def fleet(task):
    """One command on every host, in forks."""
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
    adhoc.raw(hosts, settings, task["forks"], {"ANSIBLE_HOST_KEY_CHECKING": "False"})
    return {}


peer.perform("ansible-core", {"fleet": fleet})
