"""Reasons of events and conditions: the words that users search their events for and clients compare (spec 2.3, 2.4).

Where an event tells of a phase of a DataVolume, the phase is its reason.
"""

from __future__ import annotations

from typing import Final

# Imports, uploads and clones, told on the DataVolume -----------------------------------------------------------------

IMPORT_SCHEDULED: Final = "ImportScheduled"
IMPORT_IN_PROGRESS: Final = "ImportInProgress"
IMPORT_FAILED: Final = "ImportFailed"
IMPORT_SUCCEEDED: Final = "ImportSucceeded"
IMPORT_PAUSED: Final = "ImportPaused"
UPLOAD_SCHEDULED: Final = "UploadScheduled"
UPLOAD_READY: Final = "UploadReady"
UPLOAD_FAILED: Final = "UploadFailed"
UPLOAD_SUCCEEDED: Final = "UploadSucceeded"
CLONE_SCHEDULED: Final = "CloneScheduled"
CLONE_IN_PROGRESS: Final = "CloneInProgress"
CLONE_FAILED: Final = "CloneFailed"
CLONE_SUCCEEDED: Final = "CloneSucceeded"
EXTERNAL_POPULATION_SUCCEEDED: Final = "ExternalPopulationSucceeded"

# The populators, told on the claim ----------------------------------------------------------------------------------

POPULATOR_IMPORT_SUCCEEDED: Final = "importSucceeded"
POPULATOR_IMPORT_FAILED: Final = "importFailed"
CREATED_PRIME: Final = "CreatedPVCPrimeSuccessfully"
ERR_CREATING_PRIME: Final = "ErrCreatingPVCPrime"
RETAINED_PRIME: Final = "RetainedPVCPrime"
CLAIM_MISBOUND: Final = "ClaimMisbound"

# What stands in the way ---------------------------------------------------------------------------------------------

ERR_RESOURCE_EXISTS: Final = "ErrResourceExists"
ERR_RESOURCE_MARKED_FOR_DELETION: Final = "ErrResourceMarkedForDeletion"
ERR_CLAIM_LOST: Final = "ErrClaimLost"
ERR_CLAIM_NOT_VALID: Final = "ErrClaimNotValid"
ERR_EXCEEDED_QUOTA: Final = "ErrExceededQuota"
ERR_STARTING_POD: Final = "ErrStartingPod"
ERR_INCOMPATIBLE_PVC: Final = "ErrIncompatiblePVC"
ERR_UNABLE_TO_CLONE: Final = "ErrUnableToClone"
ERR_CLAIM_PROPERTY_SETS: Final = "ErrClaimPropertySets"
SOURCE_NOT_SUPPORTED: Final = "SourceNotSupported"
"""Ours: the reference knows no source that it does not support."""
IMPORT_TARGET_IN_USE: Final = "ImportTargetInUse"
UPLOAD_TARGET_IN_USE: Final = "UploadTargetInUse"
CLONE_SOURCE_IN_USE: Final = "CloneSourceInUse"
CLONE_WITHOUT_SOURCE: Final = "CloneWithoutSource"
CLONE_VALIDATION_FAILED: Final = "CloneValidationFailed"
NO_ANY_VOLUME_DATA_SOURCE: Final = "NoAnyVolumeDataSource"
NO_CSI_DRIVER: Final = "NoCSIDriverForExternalPopulation"

# Conditions ---------------------------------------------------------------------------------------------------------

BOUND: Final = "Bound"
PENDING: Final = "Pending"
CLAIM_LOST: Final = "ClaimLost"
NOT_FOUND: Final = "NotFound"
UNKNOWN: Final = "Unknown"
TRANSFER_RUNNING: Final = "TransferRunning"
POD_RUNNING: Final = "Pod is running"
POPULATOR_RUNNING: Final = "Populator is running"
COMPLETED: Final = "Completed"
ERROR: Final = "Error"
SCRATCH_SPACE_REQUIRED: Final = "Scratch space required"
CREATING_SCRATCH_SPACE: Final = "CreatingScratchSpace"
IMAGE_PULL_FAILED: Final = "ImagePullFailed"
CHECKSUM_ERROR: Final = "ChecksumError"
UNSCHEDULABLE: Final = "Unschedulable"
QUEUED: Final = "Queued"
"""A transfer waits for its turn. Ours."""
TRANSIENT_ERROR: Final = "TransientError"
PERMANENT_ERROR: Final = "PermanentError"
"""Of our condition Failing: whether trying again may help."""
AWAITING_VDDK: Final = "AwaitingVDDK"
RECOGNIZED_PROVISIONER: Final = "RecognizedProvisioner"
UNRECOGNIZED_PROVISIONER: Final = "UnrecognizedProvisioner"
UNRECOGNIZED_PARAMETERS: Final = "UnrecognizedStorageClassParameters"
