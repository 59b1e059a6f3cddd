"""One export by a peer, in a process of its own: `python -m tools.bench.scale.exporting WAY NETWORK OUT.onnx`.

NETWORK is a name of the list, or a number: dense.arch of that width. Prints a line of JSON, what the network holds:
{"parameters": 123}, weights and moving statistics counted. Runs in the peers' environment.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

KERAS, TF2ONNX = "Keras export", "tf2onnx"
DYNAMO, SCRIPT = "torch.onnx, dynamo", "torch.onnx, TorchScript"
WAYS = (KERAS, TF2ONNX, DYNAMO, SCRIPT)


def _keras(network: str) -> Any:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from tools.bench.scale import keras_networks

    return keras_networks.stack(int(network)) if network.isdigit() else keras_networks.NETWORKS[network]()


def by_keras(network: str, path: str) -> int:
    """Keras' own export."""
    model = _keras(network)
    import keras

    zeros = [keras.ops.zeros((1, *each.shape[1:]), each.dtype) for each in model.inputs]
    model(zeros[0] if len(zeros) == 1 else zeros)  # a model that was never called is refused
    model.export(path, format="onnx", verbose=False)
    return int(model.count_params())


def by_tf2onnx(network: str, path: str) -> int:
    """tf2onnx on a function of TensorFlow that calls Keras' model."""
    model = _keras(network)
    import tensorflow as tf
    import tf2onnx

    given = [tf.TensorSpec(each.shape, each.dtype, each.name) for each in model.inputs]
    function = tf.function(lambda *x: model(x[0] if len(x) == 1 else list(x), training=False), input_signature=given)
    tf2onnx.convert.from_function(function, input_signature=given, opset=18, output_path=path)
    return int(model.count_params())


def by_torch(network: str, path: str, dynamo: bool) -> int:
    """torch.onnx.export: by way of torch.export, or the older tracing."""
    import warnings

    import torch

    from tools.bench.scale import torch_networks

    made = torch_networks.stack(int(network)) if network.isdigit() else torch_networks.NETWORKS[network]()
    module, inputs = made[0].eval(), made[1]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter says that it is old
        torch.onnx.export(module, inputs, path, dynamo=dynamo, verbose=False)
    counted = sum(each.numel() for each in module.parameters())
    return int(counted + sum(each.numel() for name, each in module.named_buffers() if "running" in name))


def main(arguments: list[str]) -> int:
    way, network, path = arguments
    if way in (KERAS, TF2ONNX):
        parameters = by_keras(network, path) if way == KERAS else by_tf2onnx(network, path)
    else:
        parameters = by_torch(network, path, way == DYNAMO)
    print(json.dumps({"parameters": parameters}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
