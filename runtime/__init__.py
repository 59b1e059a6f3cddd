"""The runtime: runs any ONNX file on this machine's devices. It never imports the compiler."""

if __name__ != "archonnx.runtime":
    raise ImportError(f"this folder is imported as archonnx.runtime, not as {__name__}: it is no package of its own")
