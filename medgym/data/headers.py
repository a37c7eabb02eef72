"""What the header of a DICOM file says of whose image it is: elements are named, their values never.

The elements are those of the basic profile of DICOM PS3.15, Annex E, that name a person, an institution, a device or a
stay. Its dates and unique identifiers are left out: nearly every file has some, and nothing tells whether they were
replaced.
"""

import os
from collections.abc import Hashable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from ..tasks.readers import guarded, is_dicom

PATIENT = (
    "PatientName PatientID IssuerOfPatientID OtherPatientIDs OtherPatientNames PatientBirthName PatientBirthDate "
    "PatientBirthTime PatientMotherBirthName PatientAddress PatientTelephoneNumbers PatientTelecomInformation "
    "PatientComments PatientReligiousPreference PatientInstitutionResidence MedicalRecordLocator MilitaryRank "
    "BranchOfService CountryOfResidence RegionOfResidence EthnicGroup Occupation ResponsiblePerson "
    "ResponsibleOrganization PersonName PersonAddress PersonTelephoneNumbers PersonTelecomInformation"
)
STAFF = (
    "ReferringPhysicianName ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers ConsultingPhysicianName "
    "PhysiciansOfRecord NameOfPhysiciansReadingStudy RequestingPhysician "
    "PerformingPhysicianName ScheduledPerformingPhysicianName OperatorsName ContentCreatorName VerifyingObserverName "
    "NamesOfIntendedRecipientsOfResults OrderEnteredBy OrderCallbackPhoneNumber ReviewerName"
)
PLACE = (
    "InstitutionName InstitutionAddress InstitutionalDepartmentName RequestingService CurrentPatientLocation "
    "StationName DeviceSerialNumber ScheduledStationName PerformedStationName PerformedLocation"
)
STAY = (
    "AccessionNumber StudyID AdmissionID ServiceEpisodeID InterpretationID RequestedProcedureID "
    "PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest"
)
IDENTIFYING = frozenset(f"{PATIENT} {STAFF} {PLACE} {STAY}".split())


class Header(NamedTuple):
    """What a header says.

    Attributes:
        named: the keywords of identifying elements that are not empty, also of those in sequences.
        removed: whether it says that the patient's identity was removed (PatientIdentityRemoved).
        burned_in: whether it says that the pixels hold identifying text (BurnedInAnnotation).
        recognisable: whether it says that a face can be known from them (RecognizableVisualFeatures).
    """

    named: tuple[str, ...] = ()
    removed: bool = False
    burned_in: bool = False
    recognisable: bool = False


def read_header(path: str) -> Header:
    """Read the header of a DICOM file.

    Raises:
        InputError: where it is damaged, or pydicom is not installed.
    """

    def read() -> Header:
        dataset = import_module("pydicom").dcmread(path, stop_before_pixels=True)
        held = {element.keyword for element in _identifying(dataset) if _says(element)}
        flags = ("PatientIdentityRemoved", "BurnedInAnnotation", "RecognizableVisualFeatures")
        return Header(tuple(sorted(held)), *(str(dataset.get(flag) or "").strip().upper() == "YES" for flag in flags))

    return guarded(path, "dicom", read)


@lru_cache(maxsize=64)
def read_series(folder: str, _facts: Hashable) -> Header:
    """Read the headers of a series' files as one: what any of them says, and what they all do of removal.

    Args:
        folder: of the series.
        _facts: what changes where a file does.

    Raises:
        InputError: as `read_header`.
    """
    files = sorted(entry.path for entry in os.scandir(folder) if entry.is_file() and entry.stat().st_size)
    found = [read_header(path) for path in files if is_dicom(path)]
    return Header(
        tuple(sorted({name for header in found for name in header.named})),
        all(header.removed for header in found),
        any(header.burned_in for header in found),
        any(header.recognisable for header in found),
    )


def _identifying(dataset: Any) -> Iterator[Any]:
    """Iterate the identifying elements, those in sequences too; others are not decoded, and may be damaged."""
    for tag in list(dataset.keys()):
        keyword = import_module("pydicom").datadict.keyword_for_tag(tag)
        if keyword in IDENTIFYING:
            yield dataset[tag]
        elif keyword.endswith("Sequence") or dataset.get_item(tag).VR == "SQ":
            for item in dataset[tag].value or ():
                yield from _identifying(item)


def _says(element: Any) -> bool:
    return bool(str(element.value if element.value is not None else "").strip("^ \0"))
