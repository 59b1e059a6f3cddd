"""`python -m archonnx`, the same as `archonnx`."""

import sys

from archonnx.cli import main

if __name__ == "__main__":
    sys.exit(main())
