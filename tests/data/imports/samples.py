"""Small made sources of each format, with structures whose pixels are known."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

WIDTH, HEIGHT = 24, 20
BOX = (3, 5, 9, 12)
OTHER = (12, 2, 20, 8)
PATIENT, NAME = "MRN-4711", "Doe^Jane"


def noise(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width), np.uint8)


def filled(box: tuple[int, int, int, int] = BOX, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    bits = np.zeros((height, width), np.uint8)
    bits[box[1] : box[3], box[0] : box[2]] = 255
    return bits


def picture(path: Path, values: np.ndarray, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **how)
    return path


def folder(home: Path) -> Path:
    """Six images, each with a liver and a tumor."""
    for number in range(6):
        picture(home / "images" / f"case {number} é.png", noise(number))
        picture(home / "masks" / "liver" / f"case {number} é.png", filled())
        picture(home / "masks" / "tumor" / f"case {number} é.png", filled(OTHER))
    return home


def records(home: Path) -> Path:
    picture(home / "image.png", noise())
    picture(home / "mask.png", filled())
    common = {"image_path": "image.png", "patient": PATIENT}
    rows = [
        {"question_type": "multiple choice", "question": "Which organ?", "options": ["A. liver", "B. lung"], "answer": "B"},
        {"question_type": "yes/no", "question": "Is there a nodule?", "answer": "no"},
        {"question_type": "yes/no", "question": "Is it large?", "options": ["A. No", "B. Yes"], "answer": "B"},
        {"question_type": "open-ended", "question": "Which organ?", "answer": ["lung", "pulmo"], "modality": "CT"},
        {"question_type": "number", "question": "How long?", "answer": 12.5, "unit": "mm", "tolerance": 0.1},
        {"question_type": "segmentation", "question": "Segment the liver.", "mask_path": "mask.png"},
        {"question_type": "detection", "question": "Mark the nodule.", "boxes": [[1, 2, 5, 30]]},
        {
            "question_type": "segmentation", "question": "Segment the cyst.", "answer": "B",
            "options": ["A. Sure.", "B. No cyst detected"],
        },
    ]  # fmt: skip
    text = "\n".join(json.dumps({"question_id": i, **common, **row}) for i, row in enumerate(rows))
    (home / "set.jsonl").write_text(text)
    return home / "set.jsonl"


def polygon(box: tuple[int, int, int, int]) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def runs(bits: np.ndarray) -> dict[str, Any]:
    flat = (bits != 0).ravel("F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, len(flat)]).tolist()
    return {"size": list(bits.shape), "counts": [0, *counts] if flat[0] else counts}


def xywh(box: tuple[int, int, int, int]) -> list[int]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def coco(home: Path) -> Path:
    """Two images: a nodule as polygon and one as run lengths; a rib as compressed run lengths."""
    from medgym.core.mask import Mask

    whole: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    whole["categories"] = [{"id": 1, "name": "nodule"}, {"id": 7, "name": "broken_rib"}]
    for number in (1, 2):
        picture(home / "images" / f"{number}.png", noise(number))
        whole["images"].append({"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
    found = [
        (1, 1, BOX, [polygon(BOX)]),
        (1, 1, OTHER, runs(filled(OTHER))),
        (1, 7, OTHER, Mask.of(filled(OTHER)).to_json()),
        (2, 1, BOX, [polygon(BOX)]),
    ]
    for number, (image, category, box, code) in enumerate(found):
        each = {"id": number, "image_id": image, "category_id": category, "bbox": xywh(box), "segmentation": code}
        whole["annotations"].append({**each, "iscrowd": 0, "area": 1})
    (home / "instances.json").write_text(json.dumps(whole))
    return home


def volume(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1, 2, 1]) if affine is None else affine), path)
    return path


def labels() -> np.ndarray:
    """Along left, posterior, superior: a liver, largest on slice 3, and a tumor, largest on slice 2."""
    found = np.zeros((WIDTH, HEIGHT, 5), np.uint8)
    for number, reach in ((1, 4), (2, 5), (3, 8)):
        found[2 : 2 + reach, 3 : 3 + reach, number] = 1
    found[15:17, 5:8, 2] = 2
    found[15:16, 5:6, 3] = 2
    return found


def nifti(home: Path) -> Path:
    scan = np.random.default_rng(0).integers(-900, 900, (WIDTH, HEIGHT, 5)).astype(np.int16)
    for number in range(3):
        volume(home / "imagesTr" / f"case_{number}.nii.gz", scan + number)
        volume(home / "labelsTr" / f"case_{number}.nii.gz", labels())
    about = {"labels": {"0": "background", "1": "liver", "2": "liver_tumor"}, "modality": {"0": "CT"}}
    (home / "dataset.json").write_text(json.dumps(about))
    return home


def saved(path: Path, kind: str, **fields: Any) -> FileDataset:
    """Write a DICOM file of a SOP class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = NAME, PATIENT
    for name, value in fields.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def item(**fields: Any) -> Dataset:
    made = Dataset()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


SPACING = (0.5, 0.8)
"""Of rows and of columns, in mm."""
ORIGIN = (-20.0, 10.0, 40.0)
STUDY, SERIES, REFERENCE = "1.2.3.4", "1.2.3.4.5", "1.2.3.4.6"


def series(home: Path, slices: int = 4, **fields: Any) -> list[FileDataset]:
    """A CT of some slices, 2 mm apart."""
    found = []
    for number in range(slices):
        given: dict[str, Any] = {
            "Modality": "CT", "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES,
            "FrameOfReferenceUID": REFERENCE, "ImagePositionPatient": [*ORIGIN[:2], ORIGIN[2] + 2 * number],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": list(SPACING), "Rows": HEIGHT,
            "Columns": WIDTH, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16,
            "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "RescaleIntercept": -1024, "RescaleSlope": 1,
            "PixelData": (noise(number).astype(np.int16) * 4).tobytes(),
        }  # fmt: skip
        found.append(saved(home / f"image{number}.dcm", pydicom.uid.CTImageStorage, **{**given, **fields}))
    return found


def segmentation(
    path: Path,
    frames: list[tuple[int, int, np.ndarray]],
    images: list[FileDataset],
    names: dict[int, str],
    referenced: bool = True,
    **fields: Any,
) -> FileDataset:
    """Frames of a segment, a slice and its pixels, as DICOM-SEG packs them."""
    groups = []
    for segment, number, _ in frames:
        group = item(
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=segment)],
            PlanePositionSequence=[item(ImagePositionPatient=list(images[number].ImagePositionPatient))],
        )
        if referenced:
            source = item(
                ReferencedSOPClassUID=images[number].SOPClassUID, ReferencedSOPInstanceUID=images[number].SOPInstanceUID
            )
            group.DerivationImageSequence = [item(SourceImageSequence=[source])]
        groups.append(group)
    bits = np.stack([values != 0 for _, _, values in frames])
    kinds = [item(CodeValue="1", CodingSchemeDesignator="99", CodeMeaning="Organ")]
    segments = []
    for number, name in names.items():
        made = item(SegmentNumber=number, SegmentLabel=name)
        if name:
            made.SegmentedPropertyTypeCodeSequence = kinds
        segments.append(made)
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=list(SPACING))],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )
    given: dict[str, Any] = {
        "Modality": "SEG", "StudyInstanceUID": STUDY, "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": REFERENCE, "SegmentationType": "BINARY", "SegmentSequence": segments,
        "SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": groups,
        "NumberOfFrames": len(frames), "Rows": bits.shape[1], "Columns": bits.shape[2], "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0,
        "PixelRepresentation": 0, "PixelData": pydicom.pixels.pack_bits(bits.astype(np.uint8).ravel()),
    }  # fmt: skip
    return saved(path, pydicom.uid.SegmentationStorage, **{**given, **fields})


def contour(points: np.ndarray, image: FileDataset | None, kind: str = "CLOSED_PLANAR") -> Dataset:
    made = item(ContourGeometricType=kind, NumberOfContourPoints=len(points))
    made.ContourData = [round(float(value), 4) for value in np.asarray(points).ravel()]
    if image is not None:
        reference = item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
        made.ContourImageSequence = [reference]
    return made


def structures(path: Path, regions: dict[str, list[Dataset]], **fields: Any) -> FileDataset:
    """A structure set with closed contours."""
    sets = [
        item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=REFERENCE)
        for number, name in enumerate(regions, 1)
    ]
    drawn = [
        item(ReferencedROINumber=number, ContourSequence=contours)
        for number, contours in enumerate(regions.values(), 1)
    ]
    given: dict[str, Any] = {
        "Modality": "RTSTRUCT", "StudyInstanceUID": STUDY, "SeriesInstanceUID": generate_uid(),
        "StructureSetROISequence": sets, "ROIContourSequence": drawn,
    }  # fmt: skip
    return saved(path, pydicom.uid.RTStructureSetStorage, **{**given, **fields})


def circle(centre: tuple[float, float], radius: float, number: int, points: int = 720) -> np.ndarray:
    """A circle on a slice, in mm; the centre in mm from the centre of its first pixel."""
    angle = np.arange(points) * (2 * np.pi / points)
    x, y = centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)
    return np.stack([ORIGIN[0] + x, ORIGIN[1] + y, np.full(points, ORIGIN[2] + 2 * number)], 1)


def dicom(home: Path) -> Path:
    images = series(home)
    frames = [(1, 2, filled()), (1, 1, filled((3, 5, 5, 6))), (2, 2, filled(OTHER))]
    segmentation(home / "seg.dcm", frames, images, {1: "liver", 2: "Left Kidney"})
    structures(home / "rt.dcm", {"lung": [contour(circle((8, 5), 3, 1), images[1])]})
    return home


SAMPLES = {"folder": folder, "records": records, "coco": coco, "nifti": nifti, "dicom": dicom}
