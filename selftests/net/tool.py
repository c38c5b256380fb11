# SPDX-License-Identifier: GPL-2.0
"""lqctl, run by tests: what it says, its exit status, and its JSON against its schema."""
import copy
import json
import os
import subprocess

import jsonschema

import lq

with open(os.path.join(lq.TOP, "tools/lqctl/schema/lqctl.schema.json"), encoding="utf-8") as _file:
    SCHEMA = json.load(_file)


def strict(schema):
    """Nothing that is not written down."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            strict(value)
    elif isinstance(schema, list):
        for value in schema:
            strict(value)
    return schema


STRICT = strict(copy.deepcopy(SCHEMA))


def valid(name, instance):
    """The instance, which must be as its definition in the schema says."""
    jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": STRICT["$defs"]}).validate(
        instance)
    return instance


def lqctl(*words, env=None, before=()):
    """(exit status, stdout, stderr); @before: a command that runs lqctl, such as setpriv."""
    done = subprocess.run([*before, "lqctl", *words], capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C", **(env or {})})
    return done.returncode, done.stdout, done.stderr


def refused(*words, status=1, before=()):
    """The one line that lqctl says."""
    code, out, err = lqctl(*words, before=before)
    lq.equal((code, out), (status, ""), words)
    lq.equal((err[:7], err.count("\n")), ("lqctl: ", 1), err)
    return err
