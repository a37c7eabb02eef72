"""Measure what volumes cost: the first view, walking on all axes, projecting, and the peak memory.

    python benchmarks/speed/volumes.py [--shape 300 512 512] [--out benchmarks/speed/volumes.json]

Volumes of 16 bits with the noise of a CT, so that they compress as one does, are made in a temporary folder: a NIfTI,
the same packed, and a DICOM series of a file a slice, whose names are in no order. Of each, a fresh process opens the
first view (with all imports that this takes), and another walks over every plane of each axis at 512 pixels and
projects along each. To compare two machines, divide by the yardstick (a Gaussian filter of scipy); on one that is
shared, the processor's seconds say more than those of the clock.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("nii", "nii.gz", "dicom")


def made(kind: str, voxels: np.ndarray, folder: Path) -> Path:
    """Write ``(Z, Y, X)`` in a format."""
    if kind == "dicom":
        return series(voxels, folder / "series")
    import nibabel

    path = folder / f"scan.{kind}"
    # Stored to the patient's left and anterior, as most are: it has to be turned to be shown.
    image = nibabel.Nifti1Image(voxels[:, ::-1].transpose(2, 1, 0), np.diag([-0.7, 0.7, 1.0, 1.0]))
    nibabel.save(image, path)
    return path


def series(voxels: np.ndarray, folder: Path) -> Path:
    """Write a file a slice, named at random."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir()
    uid, names = generate_uid(), np.random.default_rng(0).permutation(len(voxels))
    for z, plane in enumerate(voxels):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        dataset.SeriesInstanceUID, dataset.Modality = uid, "CT"
        dataset.Rows, dataset.Columns = plane.shape
        dataset.PixelSpacing, dataset.ImageOrientationPatient = [0.7, 0.7], [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [0, 0, z]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 1
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.WindowCenter, dataset.WindowWidth = 1, 0, 40, 400
        dataset.PixelData = plane.tobytes()
        dataset.save_as(folder / f"{names[z]:04d}.dcm", enforce_file_format=True)
    return folder


def body(shape: tuple[int, int, int]) -> np.ndarray:
    """Make a cylinder of soft tissue in air, with noise, ``(Z, Y, X) int16``."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    tissue = np.where((x / 0.8) ** 2 + (y / 0.6) ** 2 < 1, 40, -1000).astype(np.float32)
    voxels = np.empty(shape, np.int16)
    for z in range(shape[0]):
        voxels[z] = tissue + 15 * rng.standard_normal(shape[1:], np.float32)
    return voxels


def peak() -> int:
    """Return the most memory that this process held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def first(path: str) -> dict[str, Any]:
    """Open a volume and look at its first view."""
    start = time.perf_counter()
    from medgym.core.view import View
    from medgym.tasks.readers import open_image

    imported, worked = time.perf_counter(), time.process_time()
    source = open_image(path)
    _ = View.whole(source, 512, in_mm=True).pixels.shape
    found = {"first_view_s": time.perf_counter() - imported, "first_view_cpu_s": time.process_time() - worked}
    return {**found, "imports_s": imported - start, "peak_mib": peak()}


def walk(path: str) -> dict[str, Any]:
    """Look at every plane of every axis and at the projections, and take the values of each as a measure would."""
    from medgym.core.view import View
    from medgym.core.volume import AXES, Plane, Slab
    from medgym.tasks.readers import open_image

    start = time.perf_counter()
    place = open_image(path).place
    assert place is not None
    volume, found = place.volume, {}
    _ = volume.cut(Plane("coronal", 0)).pixels.shape
    found["all_read_s"] = time.perf_counter() - start
    for axis in AXES:
        start = time.perf_counter()
        for position in range(volume.count(axis)):
            source = volume.cut(Plane(axis, position))
            _ = View.whole(source, 512, in_mm=True).pixels.shape
            assert source.values is not None
        found[f"{axis}_ms"] = 1000 * (time.perf_counter() - start) / volume.count(axis)
        start = time.perf_counter()
        _ = volume.cut(Slab(axis, 0, volume.count(axis) - 1)).pixels.shape
        found[f"{axis}_projection_ms"] = 1000 * (time.perf_counter() - start)
    return {**found, "peak_mib": peak()}


def apart(what: str, path: Path) -> dict[str, Any]:
    """Measure in a fresh process."""
    ran = subprocess.run(
        [sys.executable, __file__, "--only", what, str(path)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(300, 512, 512), help="slices, rows, columns")
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--only", nargs=2, metavar=("WHAT", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps({"first": first, "walk": walk}[options.only[0]](options.only[1])))
        return
    from scipy import ndimage

    start = time.perf_counter()
    ndimage.gaussian_filter(np.random.default_rng(0).random((1024, 1024), np.float32), 3)
    figures: dict[str, Any] = {
        "shape": list(options.shape),
        "yardstick_ms": round(1000 * (time.perf_counter() - start)),
    }
    voxels = body(tuple(options.shape))
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path = made(kind, voxels, Path(folder))
            figures[kind] = {"first": apart("first", path), "walk": apart("walk", path)}
        print(kind, json.dumps(figures[kind]))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
