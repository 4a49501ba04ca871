"""The kernels in C; all else is in pyproject.toml."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CPU = Path("streamseg/device/cpu")
FOLDERS = [CPU / "matting/kernels", CPU / "integer/kernels"]
CONSTANTS = Path("streamseg/matting/constants.py")


class BuildKernels(build_ext):
    """Writes constants.h, the constants that the kernels share with NumPy, before it compiles them."""

    def build_extension(self, ext: Extension) -> None:
        generated = Path(self.build_temp) / "generated"
        generated.mkdir(parents=True, exist_ok=True)
        (generated / "constants.h").write_text(_constants_header(), encoding="utf-8")
        ext.include_dirs.append(str(generated))
        super().build_extension(ext)


def _constants_header() -> str:
    spec = spec_from_file_location("constants", CONSTANTS)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.c_header()


setup(
    cmdclass={"build_ext": BuildKernels},
    ext_modules=[
        Extension(
            "streamseg.device.cpu._kernels",
            sorted(str(path) for folder in FOLDERS for path in folder.glob("*.c")),
            depends=[str(CONSTANTS), *sorted(str(path) for folder in FOLDERS for path in folder.glob("*.h"))],
            include_dirs=[str(folder) for folder in FOLDERS],
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
            # Without a compiler the NumPy backend stands in, several times slower.
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
