# SPDX-License-Identifier: GPL-2.0
"""selftests/modules/lq_label.c: a security module that labels the requests of one port, as NetLabel does."""
import lq

PARAMETERS = "/sys/module/lq_label/parameters"


def labels():
    """How many were given."""
    with open(f"{PARAMETERS}/labels", encoding="ascii") as file:
        return int(file.read())


def set_port(port):
    """Whose requests are labelled."""
    with open(f"{PARAMETERS}/port", "w", encoding="ascii") as file:
        file.write(str(port))


class Labels:
    """The module, while it is loaded; all labels are freed afterwards."""

    def __enter__(self):
        lq.run("insmod", lq.test_module_file("lq_label"))
        if lq.objects_in_memory("lq_label") is None:
            lq.run("rmmod", "lq_label")
            raise lq.Skip("the kernel does not show its slab caches")
        return self

    def __exit__(self, *_):
        set_port(0)
        lq.wait_for(lambda: lq.objects_in_memory("lq_label") == 0, 60, "labels stay in memory")
        lq.run("rmmod", "lq_label")
