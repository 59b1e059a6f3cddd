"""The zoo: architecture files that ship with archonnx, the summaries they are checked against, and a photograph."""

if __name__ != "archonnx.models":
    raise ImportError(f"this folder is imported as archonnx.models, not as {__name__}: it is no package of its own")
