"""OpenVINO: as a plug-in of onnxruntime where that takes the processor, else by its own library.

Both hold the same shared libraries, of versions of their own: a process loads one of them, never both.
"""
