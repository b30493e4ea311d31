"""Python's source as a tree, for tests that read the product's code."""

import ast
import gc


def tree_of(source: str) -> ast.Module:
    """Nothing is collected meanwhile: the error of a task that is dropped then is logged, and in Python 3.11 a
    traceback parses the line it shows; within another parse, that ends in a SystemError."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if was_enabled:
            gc.enable()
