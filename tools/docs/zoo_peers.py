"""Runs models of the zoo beside their peers with the same random weights: one size of a family, and a larger one.

error_of(name, folder) is the project's one error, max|y - peer| / max|peer|, the largest of all outputs. The peers,
their random weights and the comparisons are those of tests/conformance.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tools.reference.keras import digits, made
from tools.reference.modules import prepare

Run = Callable[[str, Path], float]


@dataclass(frozen=True)
class Peer:
    """How a model is compared: `memory` is what it takes, in GB, `said` what stands in the page.

    `optional`: it takes ten minutes where the machine is busy, and a record without it is whole.
    """

    run: Run
    said: str
    memory: float = 3.0
    optional: bool = False


def error_of(name: str, folder: Path) -> float:
    """The largest error of a model against its peer; files go into the folder."""
    prepare()
    found = PEERS[name].run(name, folder)
    gc.collect()
    return found


def tests(name: str) -> Any:
    """A module of tests/conformance."""
    return import_module(name)


def _keras(stem: str, largest: float = 1.0) -> Run:
    """The network of Keras' applications, its weights through a file of Keras'."""

    def run(name: str, folder: Path) -> float:
        import numpy as np

        module, networks = tests("test_keras_applications"), tests("networks")
        network = module.random_network(name, **({"input_shape": (224, 224, 3)} if "V3" in name else {}))
        image = np.random.default_rng(0).uniform(0, largest, (1, *network.input_shape[1:])).astype(np.float32)
        expected = network(image, training=False).numpy()
        network.save_weights(folder / "saved.weights.h5")
        del network
        by = module.MAPS.get(name, "keras")
        model = networks.compiled_with(folder / "saved.weights.h5", by, f"{stem}.arch", name, activation=None)
        return float(module.error(networks.output_of(model, image, folder), expected))

    return run


def _sequential(stem: str, make: Callable[[], Any], largest: float) -> Run:
    """A model of Keras that is written here from what is published of it, its weights in order."""

    def run(name: str, folder: Path) -> float:
        import keras
        import numpy as np

        import archonnx

        networks, harness = tests("networks"), tests("keras_harness")
        keras.utils.set_random_seed(0)
        theirs = made(make)
        rng = np.random.default_rng(1)
        for variable in theirs.weights:
            if variable.name == "moving_variance":
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))
            elif len(variable.shape) == 1 and variable.dtype == "float32":
                variable.assign_add(rng.normal(0, 0.1, variable.shape))
        image = rng.uniform(0, largest, (2, *theirs.input_shape[1:])).astype(np.float32)
        expected = theirs(image, training=False).numpy()
        model = archonnx.compile(networks.MODELS / f"{stem}.arch", name)
        own = [v for v in theirs.weights if v.dtype == "float32"]  # augmentation keeps the state of its random numbers
        weights = {w.path: v.numpy() for w, v in zip(model.graph.weights(), own, strict=True)}
        return float(harness.error(networks.output_of(model.with_weights(weights), image, folder), expected))

    return run


def _article() -> Any:
    """The network of the article "Introduction to Deep Neural Networks"."""
    from keras import Sequential, layers

    network = Sequential([layers.Input((256, 256, 3))])
    for filters in (256, 128, 64):
        network.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        network.add(layers.MaxPooling2D(2))
    for layer in (layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)):
        network.add(layer)
    return network


def _torchvision(name: str, folder: Path) -> float:
    """torchvision's network, its state dictionary through a file."""
    import numpy as np
    import torch

    from tools.reference.torchvision import NETWORKS

    module, networks = tests("test_torchvision"), tests("networks")
    known = [(s, *one) for s, all_ in module.ALL.items() for one in all_] + [
        ("vit.arch", "vit_h_14", "ViTH14", "torchvision")
    ]
    source, theirs, by = next((s, t, m) for s, t, ours, m in known if ours == name)
    size = NETWORKS[source.removesuffix(".arch")][name][1]
    given = {"arguments": {"image_size": size}} if name == "ViTH14" else {}
    case = module.Network(theirs, source, name, by, size, **given)
    network = module.random_module(case)
    image = np.random.default_rng(0).normal(size=(1, size, size, 3)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(image.transpose(0, 3, 1, 2).copy())).numpy()
    torch.save(network.state_dict(), folder / "weights.pth")
    del network
    model = networks.compiled_with(folder / "weights.pth", by, source, name)
    return float(module.error(networks.output_of(model, image, folder), expected))


LITE = {"EfficientNetLite0": [0, 1, 3, 5, 8, 11, 15], "EfficientNetLite4": [0, 1, 5, 9, 15, 21, 29]}


def _lite(name: str, folder: Path) -> float:
    """The module of efficientnet-lite-pytorch, its state dictionary through a file."""
    import efficientnet_lite_pytorch as package
    import numpy as np
    import torch

    networks, harness = tests("networks"), tests("keras_harness")
    torch.manual_seed(0)
    module = package.EfficientNet.from_name(f"efficientnet-lite{name[-1]}").eval()
    with torch.no_grad():
        for key, value in [*module.named_parameters(), *module.named_buffers()]:
            if key.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif key.endswith("running_mean") or value.ndim == 1:
                value.add_(0.1 * torch.randn_like(value))
        size = module.input_image_size
        image = np.random.default_rng(0).normal(size=(1, size, size, 3)).astype(np.float32)
        expected = module(torch.from_numpy(image.transpose(0, 3, 1, 2).copy())).numpy()
    torch.save(module.state_dict(), folder / "weights.pth")
    by = (networks.MODELS / "efficientnet.lite0.map").read_text(encoding="utf-8")
    first = LITE[name]  # the number of each stage's first block, which differs from size to size
    (folder / "lite.map").write_text(by.replace("[0, 1, 3, 5, 8, 11, 15]", str(first)), encoding="utf-8")
    model = networks.compiled_with(folder / "weights.pth", str(folder / "lite.map"), "efficientnet.arch", name)
    return float(harness.error(networks.output_of(model, image, folder), expected))


def _transformers(stem: str, kind: str, outputs: tuple[str, ...], **given: Any) -> Run:
    """A module of transformers, saved as it saves itself; texts of 40 tokens, some of them padded."""

    def run(name: str, folder: Path) -> float:
        from tools.reference.transformers import configuration

        harness = tests("transformers_harness")
        config, options = configuration(name)
        module = harness.random_module(kind, config, **options, **given)
        vocabulary = module.config.vocab_size
        drawn = harness.tokens(vocabulary, 2, 40)
        inputs = {name: drawn[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        if stem != "bert":
            del inputs["token_type_ids"]
        if stem == "llama":
            del inputs["attention_mask"]
        results = harness.theirs(module, inputs)
        expected = {name: results[name].numpy() for name in outputs}
        module.save_pretrained(folder / "theirs", max_shard_size="100GB")
        del module, results
        gc.collect()
        by = str(harness.MODELS / f"{'gpt2' if stem == 'gpt3' else stem}.transformers.map")
        source = folder / "theirs" / "model.safetensors"
        error = tests("keras_harness").error
        with harness.session_of(source, folder, stem, name, by) as session:
            found = session(**inputs)
            if len(outputs) == 1:
                return float(error(found, expected[outputs[0]]))
            return max(float(error(found[name], expected[name])) for name in outputs)

    return run


def _minilm(name: str, folder: Path) -> float:
    """transformers' BertModel of MiniLM's sizes, its mean over the tokens, of length 1."""
    import numpy as np

    from tools.reference.transformers import configuration

    harness = tests("transformers_harness")
    config, options = configuration(name)
    module = harness.random_module("BertModel", config, **options)
    inputs = harness.tokens(module.config.vocab_size, 3, 40)
    hidden = harness.theirs(module, inputs).last_hidden_state.numpy()
    kept = inputs["attention_mask"][..., None]
    mean = (hidden * kept).sum(1) / kept.sum(1)
    module.save_pretrained(folder / "theirs")
    source = folder / "theirs" / "model.safetensors"
    with harness.session_of(source, folder, "bert", name, "transformers") as session:
        found = session(**inputs)
    return float(tests("keras_harness").error(found, mean / np.linalg.norm(mean, axis=1, keepdims=True)))


def _paper(stem: str, make: Callable[[Any], Any], output: str, shape: tuple[int, ...]) -> Run:
    """A module that tests/conformance/test_papers.py builds from the paper."""

    def run(name: str, folder: Path) -> float:
        import numpy as np
        import torch

        import archonnx

        papers = tests("test_papers")
        torch.manual_seed(0)
        image = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
        model = archonnx.compile(papers.MODELS / f"{stem}.arch", name)
        return float(papers.theirs_and_ours(make(papers).eval(), model, image, output, folder))

    return run


def _yolo(size: int) -> Run:
    """With weights that are not trained the largest size adds up its rounding where a picture has many places: at 640
    PyTorch's own scores in float32 are 1.6e-4 off its own in float64, ours 1.2e-4."""

    def run(name: str, folder: Path) -> float:
        module = tests("test_yolo")
        network = module.random_module(name[-1])
        image = module.picture(1, size, size)
        boxes, scores = module.theirs(network, image)
        found = module.ours(network, image, folder, name)
        return float(max(module.error(found.boxes, boxes), module.error(found.scores, scores)))

    return run


def _silero(name: str, folder: Path) -> float:
    """silero-vad's own file, with the weights that are in it."""
    import onnxruntime

    module, harness = tests("test_silero"), tests("transformers_harness")
    inputs = module.sounds(60)
    theirs = onnxruntime.InferenceSession(module.ONNX, providers=["CPUExecutionProvider"])
    given = {"input": inputs["audio"], "h": inputs["h"][None], "c": inputs["c"][None]}
    probabilities, h, c = theirs.run(None, given)
    with harness.session_of(module.ONNX, folder, "voice", name, "silero") as session:
        found = session(**inputs)
        expected = {"probabilities": probabilities, "h_next": h[0], "c_next": c[0]}
        return max(float(module.error(found[output], value)) for output, value in expected.items())


def _classifier(name: str, folder: Path) -> float:
    import numpy as np
    import torch

    module = tests("test_lstm")
    torch.manual_seed(0)
    sizes = {"classes": 2, "vocabulary": 20000, "width": 128, "units": 64}
    theirs = module.Classifier(**sizes).eval()
    session = module.loaded(theirs, folder, name, module.CLASSIFIER_MAP)
    lengths = [60, 1, 25, 40]
    tokens = np.random.default_rng(0).integers(1, 20000, (4, 60)).astype(np.int32)
    for row, length in zip(tokens, lengths, strict=True):
        row[length:] = 0
    expected = theirs(torch.from_numpy(tokens.astype(np.int64)), lengths)
    return float(module.error(session(tokens=tokens), expected))


def _characters(name: str, folder: Path) -> float:
    import numpy as np
    import torch

    module = tests("test_lstm")
    torch.manual_seed(0)
    theirs = module.Characters(vocabulary=128, width=64, units=256, layers=2).eval()
    session = module.loaded(theirs, folder, name, module.CHARACTERS_MAP)
    text = np.random.default_rng(0).integers(0, 128, (2, 100)).astype(np.int32)
    zeros = [(torch.zeros(2, 256), torch.zeros(2, 256)) for _ in range(2)]
    expected, _ = theirs(torch.from_numpy(text.astype(np.int64)), zeros)
    start = {f"{state}_{i}": np.zeros((2, 256), np.float32) for state in "hc" for i in range(2)}
    return float(module.error(session(characters=text, **start).logits, expected))


def _translator(name: str, folder: Path) -> float:
    import numpy as np
    import torch

    import archonnx

    module = tests("test_translate")
    torch.manual_seed(0)
    theirs = module.Translator(vocabulary=16000, width=256, units=512).eval()
    torch.save(theirs.state_dict(), folder / "weights.pth")
    (folder / "theirs.map").write_text(module.MAP)
    model = archonnx.compile(module.MODELS / "translate.arch", name)
    model.with_weights(folder / "weights.pth", map=folder / "theirs.map").save(folder / "model.onnx")
    draw = np.random.default_rng(0)
    source, tokens = (draw.integers(1, 16000, (2, steps)).astype(np.int32) for steps in (30, 20))
    source[1, 12:] = 0
    expected = theirs(module.long(source), module.long(tokens))
    return float(
        module.error(archonnx.load(folder / "model.onnx", cache="off")(source=source, tokens=tokens), expected)
    )


BERT = ("last_hidden_state", "pooler_output")
ENDS = {"bos_token_id": 0, "eos_token_id": 0}
IN_THE_PAPER = "a module of PyTorch written from the paper"
OF_THE_TABLE = "a module of PyTorch written from the published table"

# Model -> its peer. What one size of a family agrees in, the next one does too: sizes are numbers in the same blocks.
PEERS: dict[str, Peer] = {
    **{name: Peer(_torchvision, "torchvision") for name in ("VGG11", "VGG19BN", "ResNet18", "ResNet152V1_5")},
    **{name: Peer(_torchvision, "torchvision") for name in ("EfficientNetB0Torchvision", "EfficientNetB7Torchvision")},
    **{name: Peer(_torchvision, "torchvision") for name in ("EfficientNetV2S", "EfficientNetV2L")},
    **{name: Peer(_torchvision, "torchvision") for name in ("MobileNetV2Torchvision", "MobileNetV3LargeTorchvision")},
    "ViTB16": Peer(_torchvision, "torchvision"),
    "ViTL16": Peer(_torchvision, "torchvision", 5),
    "ViTH14": Peer(_torchvision, "torchvision", 11, optional=True),
    "DNN": Peer(_sequential("dnn", _article, 1.0), "Keras"),
    "Digits": Peer(_sequential("digits", digits, 16.0), "Keras"),
    "VGG19": Peer(_keras("vgg"), "Keras"),
    **{name: Peer(_keras("resnet"), "Keras") for name in ("ResNet50", "ResNet152")},
    **{name: Peer(_keras("efficientnet", 255), "Keras") for name in ("EfficientNetB0", "EfficientNetB7")},
    "MobileNetV2": Peer(_keras("mobilenet"), "Keras"),
    **{name: Peer(_keras("mobilenet", 255), "Keras") for name in ("MobileNetV3Small", "MobileNetV3Large")},
    **{name: Peer(_lite, "efficientnet-lite-pytorch") for name in ("EfficientNetLite0", "EfficientNetLite4")},
    "BERTBase": Peer(_transformers("bert", "BertModel", BERT), "transformers"),
    "BERTLarge": Peer(_transformers("bert", "BertModel", BERT), "transformers", 5),
    "MiniLM": Peer(_minilm, "transformers"),
    "GPT2Small": Peer(_transformers("gpt2", "GPT2LMHeadModel", ("logits",), **ENDS), "transformers"),
    "GPT2Medium": Peer(_transformers("gpt2", "GPT2LMHeadModel", ("logits",), **ENDS), "transformers", 6),
    "GPT3Small": Peer(_transformers("gpt3", "GPT2LMHeadModel", ("logits",), **ENDS), "transformers' GPT-2"),
    "GPT2Large": Peer(_transformers("gpt2", "GPT2LMHeadModel", ("logits",), **ENDS), "transformers", 11, optional=True),
    "Llama3_2_1B": Peer(_transformers("llama", "LlamaForCausalLM", ("logits",)), "transformers", 13, optional=True),
    "UNet": Peer(
        _paper("unet", lambda p: p.u_net(1, 2, [64, 128, 256, 512, 1024]), "logits", (1, 64, 64, 1)), IN_THE_PAPER
    ),
    "Autoencoder": Peer(
        _paper("autoencoder", lambda p: p.convolutional_autoencoder(), "reconstruction", (3, 28, 28, 1)), IN_THE_PAPER
    ),
    "DeepAutoencoder": Peer(
        _paper("autoencoder", lambda p: p.deep_autoencoder(), "reconstruction", (3, 28, 28, 1)), IN_THE_PAPER
    ),
    "YOLOv8n": Peer(_yolo(640), f"{OF_THE_TABLE}, at 640x640"),
    "YOLOv8x": Peer(_yolo(64), f"{OF_THE_TABLE}, at 64x64"),
    "VoiceActivity": Peer(_silero, "silero-vad, its trained weights"),
    "TextClassifier": Peer(_classifier, IN_THE_PAPER),
    "CharacterModel": Peer(_characters, IN_THE_PAPER),
    "Translator": Peer(_translator, IN_THE_PAPER),
}
