#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The running family is as uapi/listenq.yaml describes it: its commands, who may use them, what it
takes and what it answers."""
import os
import socket
import struct

import yaml

import lq
from genl import NLM_F_ACK, NLM_F_DUMP, Genl, attr, attrs
from rawtcp import listener_and_peer
from reuseport import member

CTRL = 16
GETFAMILY, GETPOLICY = 3, 10
OPS, GROUPS, POLICY, OP_POLICY, OP = 6, 7, 8, 9, 10
CAP_DO, CAP_DUMP, HAS_POLICY, UNS_ADMIN = 2, 4, 8, 16
LENGTHS = {"u8": 1, "u16": 2, "u32": 4, "s32": 4, "u64": 8}
POLICY_TYPES = {5: "u64", 4: "u32", 11: "string", 12: "string"}

with open(os.path.join(lq.TOP, "uapi/listenq.yaml"), encoding="utf-8") as _file:
    SPEC = yaml.safe_load(_file)
SETS = {one["name"]: {a["name"]: a for a in one["attributes"]} for one in SPEC["attribute-sets"]}
COMMANDS = {one["name"]: one for one in SPEC["operations"]["list"]}


def u32(data):
    """An attribute's number."""
    return struct.unpack("=I", data)[0]


def family(genl):
    """What the controller says of it."""
    (reply,) = genl.ask(CTRL, GETFAMILY, attr(2, b"listenq\0"))
    return attrs(reply)


@lq.case()
def commands_and_groups():
    """All that are written down, no others, and with the same rights."""
    found = family(Genl())
    lq.equal(u32(found[3]), SPEC.get("version", 1))
    have = {u32(attrs(op)[1]): u32(attrs(op)[2]) & ~HAS_POLICY
            for op in attrs(found[OPS]).values()}
    want = {}
    for one in COMMANDS.values():
        if "event" in one:
            continue
        want[one["value"]] = (("do" in one) * CAP_DO | ("dump" in one) * CAP_DUMP |
                              ("uns-admin-perm" in one.get("flags", [])) * UNS_ADMIN)
    lq.equal(have, want)
    groups = [attrs(group)[1].rstrip(b"\0").decode() for group in attrs(found[GROUPS]).values()]
    lq.equal(groups, [group["name"] for group in SPEC["mcast-groups"]["list"]])


@lq.case()
def what_each_command_takes():
    """The kernel's own policies have the attributes of the requests."""
    genl = Genl()
    number = family(genl)[1]
    for name, one in COMMANDS.items():
        if "event" in one:
            continue
        taken, which = {}, {}
        for reply in genl.ask(CTRL, GETPOLICY,
                              attr(1, number) + attr(OP, struct.pack("=I", one["value"])),
                              flags=NLM_F_DUMP):
            reply = attrs(reply)
            for index, policy in attrs(reply.get(POLICY, b"")).items():
                for kind, entry in attrs(policy).items():
                    taken.setdefault(index, {})[kind] = u32(attrs(entry)[1])
            for modes in attrs(reply.get(OP_POLICY, b"")).values():
                which.update({mode: u32(index) for mode, index in attrs(modes).items()})
        for mode, key in ((1, "do"), (2, "dump")):
            if key not in one:
                continue
            wanted = one[key].get("request", {}).get("attributes", [])
            # A policy is shared by both; a dump of listeners is asked for without.
            wanted = wanted or one.get("do", {}).get("request", {}).get("attributes", [])
            have = taken.get(which[mode], {})
            lq.equal({kind: POLICY_TYPES[kind_of] for kind, kind_of in have.items()},
                     {SETS[one["attribute-set"]][a]["value"]: SETS[one["attribute-set"]][a]["type"]
                      for a in wanted}, f"{name} {key}")


def check(found, names, set_name):
    """An answer's attributes: all that are written down, of their types, and no others."""
    known = SETS[set_name]
    pad = known.get("pad", {"value": None})["value"]
    lq.equal(set(found) - {pad}, {known[name]["value"] for name in names}, set_name)
    for name in names:
        kind, data = known[name]["type"], found[known[name]["value"]]
        if kind in LENGTHS:
            lq.equal(len(data), LENGTHS[kind], name)
        elif kind == "string":
            assert data.endswith(b"\0"), name
        elif kind == "nest":
            inner = SETS[known[name]["nested-attributes"]]
            lq.equal(set(attrs(data)) - {0}, {one["value"] for one in inner.values()}, name)
            assert all(len(value) == 8 for kind, value in attrs(data).items() if kind), name


@lq.each_version()
def what_each_command_answers(v6):
    """Every attribute is there when there is something to say."""
    lq.no_timer()
    listener, peer = listener_and_peer(v6=v6)
    lq.expect_serves(listener, v6=v6)
    client = lq.connect_to(listener, v6=v6)
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    lq.set_filter(listener, "dataready")
    peer.half_open()
    genl = Genl()
    get, stats, requests = (COMMANDS[n] for n in ("listener-get", "stats-get", "request-get"))
    number = struct.pack("=Q", lq.Info(listener).id)
    for body, flags in ((attr(1, number), NLM_F_ACK), (b"", NLM_F_DUMP)):
        (reply,) = genl.ask(genl.family, get["value"], body, flags=flags)
        names = get["do"]["reply"]["attributes"]
        check(attrs(reply), [name for name in names if not name.startswith("former-")], "listener")
    (reply,) = genl.ask(genl.family, stats["value"])
    check(attrs(reply), stats["do"]["reply"]["attributes"], "stats")
    (reply,) = genl.ask(genl.family, requests["value"], attr(2, number), flags=NLM_F_DUMP)
    found = attrs(reply)
    check(found, requests["dump"]["reply"]["attributes"], "request")
    lq.equal(found[SETS["request"]["peer"]["value"]], peer.addr)
    lq.equal(struct.unpack("=H", found[SETS["request"]["family"]["value"]])[0],
             socket.AF_INET6 if v6 else socket.AF_INET)
    del client


@lq.each_version()
def what_a_group_answers(v6):
    """One of it has ended: everything but its filter, the oldest connection, and own settings."""
    first = member(v6=v6)
    lq.expect_serves(first, v6=v6)
    second = member(lq.port_of(first), v6=v6)
    first.close()
    lq.expect_serves(second, v6=v6)
    genl = Genl()
    get = COMMANDS["listener-get"]
    (reply,) = genl.ask(genl.family, get["value"], flags=NLM_F_DUMP)
    names = set(get["do"]["reply"]["attributes"]) - {"accept-filter", "accept-oldest"}
    found = attrs(reply)
    check(found, names, "listener")
    known = SETS["listener"]
    lq.equal(len(found[known["former-wait"]["value"]]), len(found[known["accept-wait"]["value"]]))
    del second


@lq.each_version()
def whom_drops_hit(v6):
    """dropped-get: a nest for each prefix."""
    lq.quiet()
    listener = lq.listener(backlog=1, v6=v6)
    clients = [lq.begin_connect(listener, v6=v6) for _ in range(6)]
    lq.wait_for(lambda: lq.Info(listener).drops > 0)
    genl = Genl()
    get = COMMANDS["dropped-get"]
    (reply,) = genl.ask(genl.family, get["value"],
                        attr(2, struct.pack("=Q", lq.Info(listener).id)))
    known, inner = SETS["dropped"], SETS["prefix"]
    found = attrs(reply)
    lq.equal(set(found) - {known["pad"]["value"]},
             {known[name]["value"] for name in get["do"]["reply"]["attributes"]})
    lq.equal(len(found[known["total"]["value"]]), LENGTHS["u32"])
    assert known["prefix"]["multi-attr"]
    prefix = attrs(found[known["prefix"]["value"]])
    lq.equal(set(prefix), {one["value"] for one in inner.values()})
    lq.equal({name: len(prefix[inner[name]["value"]]) for name in inner},
             {"addr": 16 if v6 else 4, "length": 4, "count": 4, "excess": 4})
    del clients


lq.main()
