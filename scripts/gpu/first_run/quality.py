"""Maps and mattes of the GPU against the CPU's."""

from __future__ import annotations

import time

import numpy as np
import torch

from first_run.report import BEACH, CLIP, FOLDER, SCRATCH, report, seconds_left, trial


def quality() -> None:
    """Mean absolute errors on SOD, in half precision and in float32."""
    from streamseg.device.cuda.device import CUDADevice
    from streamseg.device.cuda.network import FusedNetwork
    from streamseg.media.images import read_image
    from streamseg.metrics.saliency import mae
    from streamseg.network.published import published_map
    from streamseg.network.weights import load_weights

    device = CUDADevice()
    network = FusedNetwork(load_weights(), device.platform.device, torch.float32)

    def in_float32(normalised):
        image = torch.from_numpy(normalised[None]).to(device.platform.device)
        return network(image.contiguous(memory_format=torch.channels_last))[0].cpu().numpy()

    errors, differences = {"half": [], "float32": []}, []
    images = sorted((FOLDER / "sod" / "images").iterdir())
    for path in images:
        if seconds_left() < 4:
            break
        green, blue, red = read_image(str(path)).planes[:3]
        rgb = np.stack((red, green, blue), axis=-1)
        mask = read_image(str(next((FOLDER / "sod" / "masks").glob(f"{path.stem}.*")))).planes[0] > 128
        maps = {"half": published_map(rgb, device.published), "float32": published_map(rgb, in_float32)}
        for name, saliency in maps.items():
            errors[name].append(mae(saliency, mask))
        differences.append(float(np.abs(maps["half"] - maps["float32"]).mean()))
    report("quality", "SOD images", float(len(differences)), f"of {len(images)}")
    report("quality", "MAE float32 on the GPU (CPU: .16041)", float(np.mean(errors["float32"])))
    report("quality", "MAE half on the GPU (torch on a CPU: .16037)", float(np.mean(errors["half"])))
    report("quality", "maps differ, mean (expected .0002)", float(np.mean(differences)))
    report("quality", "maps differ, largest mean of an image (expected .0018)", float(np.max(differences)))


def clip() -> None:
    """The mattes of a clip with both decoders, against the CPU's, which were made before; and a composite."""
    from streamseg.pipelines import VideoJob

    from streamseg.media.writing.target import Encoding

    expected, mattes = _grey_frames(FOLDER / "matte_cpu.mkv"), {}
    for hwaccel in ("none", "cuda"):
        with trial("clip", f"hwaccel {hwaccel}"):
            out, encoding = SCRATCH / f"matte_{hwaccel}.mkv", Encoding(codec="ffv1")
            job = VideoJob(CLIP, out, "matte", device="cuda", hwaccel=hwaccel, encoding=encoding, overwrite=True)
            started = time.perf_counter()
            frames = job.run().frames
            seconds = time.perf_counter() - started
            report("clip", f"matte of {frames} frames, hwaccel {hwaccel}, device opened too", seconds, "s")
            mattes[hwaccel] = _grey_frames(out)
            pairs = zip(mattes[hwaccel], expected, strict=False)
            differences = [float(np.abs(mine - theirs).mean()) / 255 for mine, theirs in pairs]
            mean, largest = float(np.mean(differences)), float(np.max(differences))
            report("clip", f"GPU against CPU, mean, hwaccel {hwaccel} (expected .0009)", mean)
            report("clip", f"GPU against CPU, worst frame, hwaccel {hwaccel} (expected .0024)", largest)
            report("clip", f"frames, hwaccel {hwaccel}", float(len(mattes[hwaccel])), f"expected {len(expected)}")
    if len(mattes) == 2:
        same = all(np.array_equal(*pair) for pair in zip(*mattes.values(), strict=True))
        report("clip", "both decoders give the same mattes", str(same))
    with trial("clip", "composite"):
        job = VideoJob(CLIP, SCRATCH / "over.mp4", str(BEACH), duration=1, device="cuda", overwrite=True)
        summary = job.run()
        report("clip", f"1080p over an image, {summary.frames} frames", summary.fps, "fps")
        report("clip", "warnings", "; ".join(summary.warnings) or "none")


def _grey_frames(path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").astype(np.int16) for frame in container.decode(video=0)]
