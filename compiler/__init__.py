"""The compiler, from text to an ONNX file. It never imports the runtime, nor onnxruntime."""

if __name__ != "archonnx.compiler":
    raise ImportError(f"this folder is imported as archonnx.compiler, not as {__name__}: it is no package of its own")
