"""What an archonnx file says of itself in ONNX metadata: written by the compiler, read by the runtime and anyone else.

Model metadata (ModelProto.metadata_props), all under the prefix `archonnx.`:

    archonnx.version         version of archonnx that wrote the file
    archonnx.model           the model's name in its source
    archonnx.source          its file, relative to the root
    archonnx.sources         JSON object: file, relative to the root -> digest of its text, imported files too: whoever
                             has such a text knows that the places of nodes are places in it
    archonnx.arguments       JSON object: parameter -> value as text; a `sampling_rate` is the rate of sounds
    archonnx.weights         "initial" (drawn, never trained), "given" (read from a file), "partial" (some read, others
                             drawn), "literal" (written in the source), "none" (left out)
    archonnx.seed            the seed of drawn weights
    archonnx.optimization    "0", "1" or "2": the level of passes that made the graph; files of old, of 1, do not say
    archonnx.build           JSON object, where the weights are left out: what else the graph was made with, as
                             CompiledModel.lower takes it, so that whoever fills them in later makes the same
    archonnx.quantized       JSON object, where matrices are kept in few bits: "bits", "block_size", "rows", an object
                             name -> name of its scales: those of which rows are cut into blocks, not columns
    archonnx.stored          "float16" or "bfloat16" where large weights are stored so and cast where they are used
    archonnx.requires        JSON list of {"condition": text of a contract.dims condition, "message": text,
                             "place": "file:line:column"}
    archonnx.optional        JSON list of input names that may be left out
    archonnx.states          JSON object: output name -> name of the input whose next value it is
    archonnx.tokens          JSON object: input name -> {"size": rows of the table that its numbers are places in,
                             "masked": whether 0 fills sequences up and is not seen}
    archonnx.shard           JSON object, of a stage: {"stage": its number from 1, "of": how many there are}
    archonnx.asset.NAME      the bytes of an asset, as text where they are UTF-8, else "base64:" and base64

Node metadata (NodeProto.metadata_props):

    archonnx.layer           path of the layer, `stage_1/bottleneck/conv2d`
    archonnx.place           "file:line:column"
    archonnx.trail           JSON list of strings, innermost application first, where a block led there
    archonnx.merged          JSON list of [operator, path of its layer, place]: operators of other layers that it does
                             the work of, such as a normalization that is folded into its kernel
"""

from __future__ import annotations

import json
from collections.abc import Iterable

PREFIX = "archonnx."
VERSION = PREFIX + "version"
MODEL = PREFIX + "model"
SOURCE = PREFIX + "source"
SOURCES = PREFIX + "sources"
ARGUMENTS = PREFIX + "arguments"
WEIGHTS = PREFIX + "weights"
SEED = PREFIX + "seed"
OPTIMIZATION = PREFIX + "optimization"
BUILD = PREFIX + "build"
QUANTIZED = PREFIX + "quantized"
STORED = PREFIX + "stored"
REQUIRES = PREFIX + "requires"
OPTIONAL = PREFIX + "optional"
STATES = PREFIX + "states"
TOKENS = PREFIX + "tokens"
SHARD = PREFIX + "shard"
ASSET = PREFIX + "asset."
LAYER = PREFIX + "layer"
PLACE = PREFIX + "place"
TRAIL = PREFIX + "trail"
MERGED = PREFIX + "merged"
BASE64 = "base64:"


def digest(text: str) -> str:
    """What tells one source text from another: SHA-256 of its UTF-8, whatever ends its lines, as 64 digits."""
    import hashlib

    return hashlib.sha256(text.replace("\r\n", "\n").replace("\r", "\n").encode()).hexdigest()


def asset_bytes(text: str) -> bytes:
    """The bytes of an asset, of its entry. Raises ValueError where that is damaged."""
    if not text.startswith(BASE64):
        return text.encode("utf-8")
    import base64

    return base64.b64decode(text.removeprefix(BASE64), validate=True)


def digests(texts: Iterable[tuple[str, str]]) -> str:
    """The entry `archonnx.sources` of files and their texts. Two different texts of one name, as a file and the one of
    a package that it imports may have, are both left out: nobody could tell which of them a place is in."""
    found: dict[str, set[str]] = {}
    for name, text in texts:
        found.setdefault(name, set()).add(digest(text))
    return json.dumps({name: one.pop() for name, one in sorted(found.items()) if len(one) == 1}, ensure_ascii=False)
