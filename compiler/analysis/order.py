"""The order in which Keras prints a functional model's layers, and whether it takes the model for a chain.

Source: keras/src/ops/function.py (map_graph, _build_map) and keras/src/utils/summary_utils.py of Keras 3.15. Layers
are sorted by their distance to the outputs, the farthest first, and among equals by a depth-first walk from the
outputs.

Applications and layers are numbers here: `parents[a]` are the applications that `a` reads, in order and repeated
where it reads one twice, `layer_of[a]` is the layer that `a` applies.
"""

from __future__ import annotations

from collections.abc import Sequence


def keras_order(
    parents: Sequence[Sequence[int]], layer_of: Sequence[int], outputs: Sequence[int], inputs: Sequence[int]
) -> list[int]:
    """The layers in Keras' order.

    `outputs` are the applications that make the outputs, `inputs` those that stand for inputs.
    """
    finished, first_seen = _walk(parents, layer_of, outputs)
    depths: dict[int, int] = {}
    layer_depths: dict[int, int] = {}
    for node in reversed(finished):
        depth = max(depths.get(node, 0), layer_depths.get(layer_of[node], 0))
        depths[node] = layer_depths[layer_of[node]] = depth
        for parent in parents[node]:
            depths[parent] = max(depth + 1, depths.get(parent, 0))
    for given in inputs:  # those that nothing reads
        layer_depths.setdefault(layer_of[given], 0)
        first_seen.setdefault(layer_of[given], -1)
    return sorted(layer_depths, key=lambda layer: (-layer_depths[layer], first_seen[layer]))


def _walk(
    parents: Sequence[Sequence[int]], layer_of: Sequence[int], outputs: Sequence[int]
) -> tuple[list[int], dict[int, int]]:
    """Depth first from the outputs: applications after all they read, and when each layer was first met."""
    finished: list[int] = []
    first_seen: dict[int, int] = {}
    done: set[int] = set()
    for output in outputs:
        stack = [(output, 0)]
        while stack:
            node, at = stack.pop()
            if node in done:
                continue
            first_seen.setdefault(layer_of[node], len(first_seen))
            if at < len(parents[node]):
                stack.append((node, at + 1))
                stack.append((parents[node][at], 0))
            else:
                done.add(node)
                finished.append(node)
    return finished, first_seen


def is_chain(parents: Sequence[Sequence[int]], layer_of: Sequence[int]) -> bool:
    """Whether Keras leaves "Connected to" out: one source, all others read one value that no other reads."""
    read = [parent for nodes in parents for parent in nodes]
    sources = sum(not nodes for nodes in parents)
    one_each = all(len(nodes) <= 1 for nodes in parents) and len(set(read)) == len(read)
    return one_each and sources == 1 and len(set(layer_of)) == len(layer_of)
