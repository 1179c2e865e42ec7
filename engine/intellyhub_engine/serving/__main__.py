"""`python -m intellyhub_engine.serving`: the worker of an image."""

import gc
import sys

gc.disable()  # what a start makes, it keeps; the collector begins when all is there

from intellyhub_engine.serving.process import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
