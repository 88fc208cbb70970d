"""ansible-core: the module `raw` over the connection `ssh`, with the connections that it keeps in the folder `control`."""

import resource

import adhoc
import peer


def fleet(task):
    """One command on every host, in forks."""
    settings = {
        "ansible_connection": "ssh",
        "ansible_user": task["user"],
        "ansible_ssh_private_key_file": task["key"],
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={task['known_hosts']} -o IdentitiesOnly=yes",
    }
    hosts = {
        host["address"]: {"ansible_host": host["address"], "ansible_port": host["port"]}
        for host in task["hosts"]
    }
    environment = {"ANSIBLE_SSH_CONTROL_PATH_DIR": task["control"], "ANSIBLE_HOST_KEY_CHECKING": "True"}
    adhoc.raw(hosts, settings, task["forks"], environment)
    return {"cpu": processor()}


def processor():
    """Seconds that processors have worked for this process and for those of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


peer.perform("ansible-core", {"fleet": fleet})
