"""Stands for the proof engine and the wrapper, to force faults that real ones show only by accident.

It speaks the engine's protocol and writes small files that say what they cover, and it checks what
it takes in as strictly as a prover would: a missing, foreign or out-of-order child is refused. The
real ones are tested elsewhere; nothing here proves anything.

usage: engine.py FOLDER engine|wrapper serve [--key-cache DIR]

FOLDER/ran-engine-PID and FOLDER/ran-wrapper-PID say who was started.

FOLDER/faults.json holds a list of faults, each {"name", "do", "index", "batch", "how", "times"};
`index` and `batch` may be null for any. Each fault strikes so many times over all processes.
"""

import json
import os
import signal
import sys
import time

FOLDER, ROLE = sys.argv[1:3]
LAYERS = ["leaf", "internal_for_leaf", "internal_first", "internal_recursive"]


class Failure(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def identity():
    for name in ("image-%s" % ROLE, "image"):
        try:
            with open(os.path.join(FOLDER, name)) as file:
                return int(file.read())
        except FileNotFoundError:
            continue
    return 1


def strike(do, index, batch):
    """What a fault asks for, if one is due."""
    try:
        with open(os.path.join(FOLDER, "faults.json")) as file:
            faults = json.load(file)
    except FileNotFoundError:
        return None
    for fault in faults:
        if fault["do"] != do:
            continue
        if fault.get("index") not in (None, index) or fault.get("batch") not in (None, batch):
            continue
        for turn in range(fault.get("times", 1)):
            mark = os.path.join(FOLDER, "struck-%s-%d" % (fault["name"], turn))
            try:
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                continue
            return fault
    return None


def hold(fault):
    """Waits until the test says go on, or the parent is gone."""
    parent = os.getppid()
    with open(os.path.join(FOLDER, "held-%s" % fault["name"]), "w") as file:
        file.write("%d %d" % (os.getpid(), parent))
    while not os.path.exists(os.path.join(FOLDER, "release-%s" % fault["name"])):
        if os.getppid() != parent:
            sys.exit(0)
        time.sleep(0.01)


def read(path):
    try:
        with open(path) as file:
            return json.loads(file.read())
    except (OSError, ValueError) as error:
        raise Failure("bad_artefact", "cannot read a file: %s" % type(error).__name__)


def write(path, value):
    text = json.dumps(value) + "\n" + " " * 3000
    try:
        with open(path + ".part", "w") as file:
            file.write(text)
            file.flush()
        os.rename(path + ".part", path)
    except OSError as error:
        raise Failure("storage", "cannot write a file: %s" % os.strerror(error.errno))
    return {"is": "written", "bytes": len(text)}


def execute(work):
    batch = read(work["input"])
    if batch.get("refuse"):
        raise Failure("rejected", "exit code 7: the state root differs")
    segments = [{"instructions": 1000, "cells": 100 + i} for i in range(batch["segments"])]
    return {
        "is": "executed",
        "batch_hash": batch["hash"],
        "instructions": 1000 * batch["segments"],
        "segments": segments,
    }


def segment(work):
    batch = read(work["input"])
    index, last = work["index"], batch["segments"] - 1
    if (index == last) != (work["public_values"] is not None):
        raise Failure("bad_request", "public values belong to the last segment")
    if work["public_values"] is not None:
        write(work["public_values"], {"kind": "public values", "hash": batch["hash"]})
    covers = {"hash": batch["hash"], "of": batch["segments"], "first": index, "last": index}
    return write(work["output"], {"kind": "segment", **covers})


def aggregate(work):
    children = [read(path) for path in work["children"]]
    layer = work["layer"]
    below = {
        "leaf": ["segment"],
        "internal_for_leaf": ["leaf"],
        "internal_first": ["internal_for_leaf"],
        "internal_recursive": ["internal_first", "internal_recursive"],
    }[layer]
    if not 1 <= len(children) <= (4 if layer == "leaf" else 3):
        raise Failure("bad_request", "too many children")
    for child in children:
        if child["kind"] not in below or child["hash"] != children[0]["hash"]:
            raise Failure("invalid", "a child is of another kind or batch")
    for left, right in zip(children, children[1:]):
        if left["last"] + 1 != right["first"]:
            raise Failure("invalid", "the children do not follow one another")
    covers = {"hash": children[0]["hash"], "of": children[0]["of"]}
    covers.update(first=children[0]["first"], last=children[-1]["last"])
    return write(work["output"], {"kind": layer, **covers})


def finish(work):
    root, values = read(work["root"]), read(work["public_values"])
    if root["first"] != 0 or root["last"] != root["of"] - 1:
        raise Failure("invalid", "the root does not cover the batch")
    if values.get("kind") != "public values" or values["hash"] != root["hash"]:
        raise Failure("invalid", "the public values are of another batch")
    if root["hash"] != work["batch_hash"]:
        raise Failure("invalid", "the proof is about another batch")
    return write(work["output"], {"kind": "final", "hash": root["hash"]})


def verify(work):
    proof = read(work["proof"])
    if proof.get("kind") != "final" or proof["hash"] != work["batch_hash"]:
        raise Failure("invalid", "the proof does not hold")
    return {"is": "verified"}


def wrap(work):
    proof = read(work["proof"])
    if proof.get("kind") != "final" or proof["hash"] != work["batch_hash"]:
        raise Failure("bad_artefact", "the final proof does not hold")
    written = write(work["output"], {"kind": "wrap", "hash": proof["hash"]})
    return {"is": "wrapped", "bytes": written["bytes"], "verify_wall_ms": 7}


def describe(_):
    image = identity()
    return {
        "is": "description",
        "image": image,
        "program": "0x" + "%064x" % image,
        "machine": "0x" + "aa" * 32,
    }


def batch_of(work):
    """The batch that a piece of work is about, by the hash in its first file."""
    for key in ("input", "root", "proof"):
        if key in work:
            return read(work[key]).get("batch")
    return None


def suffer(how, fault):
    if how == "hold":
        hold(fault)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit":
        sys.exit(3)
    elif how == "hang":
        hold({"name": "for-ever"})
    elif how == "garbage":
        sys.stdout.write("segmentation fault\n")
        sys.stdout.flush()
    else:
        raise Failure(how, "forced by the test")


def serve():
    actions = {
        "engine": {
            "describe": describe,
            "execute": execute,
            "segment": segment,
            "aggregate": aggregate,
            "finish": finish,
            "verify": verify,
        },
        "wrapper": {"describe": describe, "wrap": wrap},
    }[ROLE]
    open(os.path.join(FOLDER, "ran-%s-%d" % (ROLE, os.getpid())), "w").close()
    for line in sys.stdin:
        request = json.loads(line)
        work = request["work"]
        try:
            batch = batch_of(work) if work["do"] in ("execute", "segment") else None
            fault = strike(work["do"], work.get("index"), batch)
            if fault is not None:
                suffer(fault["how"], fault)
            if work["do"] not in actions:
                raise Failure("bad_request", "the %s does not %s" % (ROLE, work["do"]))
            outcome = {"done": actions[work["do"]](work)}
        except Failure as failure:
            outcome = {"failed": {"kind": failure.kind, "message": str(failure)}}
        reply = {
            "id": request["id"],
            "outcome": outcome,
            "usage": {"cpu_ms": 20, "wall_ms": 10, "peak_bytes": 1 << 20},
        }
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if sys.argv[3] != "serve":
    sys.exit("only `serve` is played here")
serve()
