"""The kernels in C; all else is in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

KERNELS = Path("streamseg/device/cpu/kernels")

setup(
    ext_modules=[
        Extension(
            "streamseg.device.cpu._kernels",
            sorted(str(path) for path in KERNELS.glob("*.c")),
            depends=sorted(str(path) for path in KERNELS.glob("*.h")),
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=[
                "-O3",
                "-std=c11",
                "-fno-math-errno",
                "-fno-trapping-math",
                "-fno-wrapv",
                "-fvisibility=hidden",
            ],
            py_limited_api=True,
            # Without a compiler the same is done in NumPy, several times slower.
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
