"""Every annotation, label and finalizer by name: the vocabulary that clients read (spec 3.1, 3.2). See also `reasons`.

Written once, here, so that a misspelt name is an error of the type checker and not a silent difference on the wire.
"""

from __future__ import annotations

from typing import Final

GROUP: Final = "cdi.kubevirt.io"
API_VERSION: Final = f"{GROUP}/v1beta1"
"""Of our own kinds."""
_STORAGE: Final = f"{GROUP}/storage"

# What is to be imported: on claims ----------------------------------------------------------------------------------

SOURCE: Final = f"{_STORAGE}.import.source"
ENDPOINT: Final = f"{_STORAGE}.import.endpoint"
SECRET_NAME: Final = f"{_STORAGE}.import.secretName"
CERT_CONFIG_MAP: Final = f"{_STORAGE}.import.certConfigMap"
INSECURE_SKIP_VERIFY: Final = f"{_STORAGE}.import.insecureSkipVerify"
EXTRA_HEADERS: Final = f"{_STORAGE}.import.extraHeaders"
"""With a dot and a number, from 0, for each header."""
SECRET_EXTRA_HEADERS: Final = f"{_STORAGE}.import.secretExtraHeaders"
"""With a dot and a number, from 0, for each secret."""
CHECKSUM: Final = f"{_STORAGE}.import.checksum"
DISK_ID: Final = f"{_STORAGE}.import.diskId"
UUID: Final = f"{_STORAGE}.import.uuid"
BACKING_FILE: Final = f"{_STORAGE}.import.backingFile"
THUMBPRINT: Final = f"{_STORAGE}.import.vddk.thumbprint"
REGISTRY_IMPORT_METHOD: Final = f"{_STORAGE}.import.registryImportMethod"
REGISTRY_IMAGE_STREAM: Final = f"{_STORAGE}.import.registryImageStream"
REGISTRY_IMAGE_ARCHITECTURE: Final = f"{_STORAGE}.import.registryImageArchitecture"
CONTENT_TYPE: Final = f"{_STORAGE}.contentType"
PREALLOCATION_REQUESTED: Final = f"{_STORAGE}.preallocation.requested"
PREALLOCATION_APPLIED: Final = f"{_STORAGE}.preallocation"
UPLOAD_TARGET: Final = f"{_STORAGE}.upload.target"

# How the worker does: on claims -------------------------------------------------------------------------------------

IMPORT_POD_NAME: Final = f"{_STORAGE}.import.importPodName"
UPLOAD_POD_NAME: Final = f"{_STORAGE}.uploadPodName"
UPLOAD_CLIENT_NAME: Final = f"{GROUP}/uploadClientName"
REQUIRES_SCRATCH: Final = f"{_STORAGE}.import.requiresScratch"
REQUIRES_DIRECT_IO: Final = f"{_STORAGE}.import.requiresDirectIo"
FATAL_ERROR: Final = f"{_STORAGE}.import.fatalError"
POD_PHASE: Final = f"{_STORAGE}.pod.phase"
POD_READY: Final = f"{_STORAGE}.pod.ready"
POD_RESTARTS: Final = f"{_STORAGE}.pod.restarts"
POD_SCHEDULABLE: Final = f"{_STORAGE}.pod.schedulable"
POD_RETAIN: Final = f"{_STORAGE}.pod.retainAfterCompletion"
PRIORITY_CLASS: Final = f"{_STORAGE}.pod.priorityclassname"
SERVICE_ACCOUNT: Final = f"{_STORAGE}.pod.serviceAccountName"
VDDK_VERSION: Final = f"{_STORAGE}.pod.vddk.version"
VDDK_HOST: Final = f"{_STORAGE}.pod.vddk.host"
VDDK_INIT_IMAGE_URL: Final = f"{_STORAGE}.pod.vddk.initimageurl"
VDDK_EXTRA_ARGS: Final = f"{_STORAGE}.pod.vddk.extraargs"
RUNNING: Final = f"{_STORAGE}.condition.running"
RUNNING_MESSAGE: Final = f"{_STORAGE}.condition.running.message"
RUNNING_REASON: Final = f"{_STORAGE}.condition.running.reason"
SOURCE_RUNNING: Final = f"{_STORAGE}.condition.source.running"
SOURCE_RUNNING_MESSAGE: Final = f"{_STORAGE}.condition.source.running.message"
SOURCE_RUNNING_REASON: Final = f"{_STORAGE}.condition.source.running.reason"
BOUND: Final = f"{_STORAGE}.condition.bound"
BOUND_MESSAGE: Final = f"{_STORAGE}.condition.bound.message"
BOUND_REASON: Final = f"{_STORAGE}.condition.bound.reason"
CHECKPOINT_PREVIOUS: Final = f"{_STORAGE}.checkpoint.previous"
CHECKPOINT_CURRENT: Final = f"{_STORAGE}.checkpoint.current"
CHECKPOINT_FINAL: Final = f"{_STORAGE}.checkpoint.final"
CHECKPOINT_COPIED: Final = f"{_STORAGE}.checkpoint.copied"
"""With a dot and the name of the checkpoint; the value is the uid of the pod that copied it."""
CHECKPOINT_POD_ID: Final = f"{_STORAGE}.checkpoint.pod.id"
CHECKPOINT_DONE: Final = f"{_STORAGE}.checkpoint.done"
TRANSFER: Final = f"{_STORAGE}.transfer"
"""How the transfer goes, as JSON: the same as `status.transfer` of a DataVolume. Ours; the reference has none."""
POD_NUDGED: Final = f"{_STORAGE}.pod.nudged"
"""How often a pod that does not start was touched so that its kubelet looks again. Ours; the reference has none."""
CREATED_BY_CONTROLLER: Final = f"{_STORAGE}.createdByController"
CREATED_BY_UPLOAD_CONTROLLER: Final = f"{_STORAGE}.createdByUploadController"

# How a claim is populated: on DataVolumes and claims ----------------------------------------------------------------

USE_POPULATOR: Final = f"{_STORAGE}.usePopulator"
POPULATOR_PROGRESS: Final = f"{_STORAGE}.populator.progress"
POPULATOR_KIND: Final = f"{_STORAGE}.populator.kind"
PVC_PRIME: Final = f"{_STORAGE}.populator.pvcPrime"
IMMEDIATE_BIND: Final = f"{_STORAGE}.bind.immediate.requested"
"""Present with any value, even "false": bind without waiting for a consumer."""
POPULATED_FOR: Final = f"{_STORAGE}.populatedFor"
PRE_POPULATED: Final = f"{_STORAGE}.prePopulated"
CHECK_STATIC_VOLUME: Final = f"{_STORAGE}.checkStaticVolume"
PERSISTENT_VOLUME_LIST: Final = f"{_STORAGE}.persistentVolumeList"
ALLOW_CLAIM_ADOPTION: Final = f"{GROUP}/allowClaimAdoption"
CREATED_FOR_DATA_VOLUME: Final = f"{GROUP}/createdForDataVolume"
EXTERNAL_POPULATION: Final = f"{GROUP}/externalPopulation"
OWNED_BY_DATA_VOLUME: Final = f"{GROUP}/ownedByDataVolume"
"""`namespace/name` of the DataVolume of an object in another namespace."""

# Clones -------------------------------------------------------------------------------------------------------------

CLONE_TYPE: Final = f"{GROUP}/cloneType"
CLONE_PHASE: Final = f"{GROUP}/clonePhase"
CLONE_ERROR: Final = f"{GROUP}/cloneError"
CLONE_FALLBACK_REASON: Final = f"{GROUP}/cloneFallbackReason"
DATA_SOURCE_NAMESPACE: Final = f"{GROUP}/dataSourceNamespace"
CLONE_TOKEN: Final = f"{_STORAGE}.clone.token"
EXTENDED_CLONE_TOKEN: Final = f"{_STORAGE}.extended.clone.token"
SOURCE_CLONE_POD_NAME: Final = f"{_STORAGE}.sourceClonePodName"
OWNER_UID: Final = f"{GROUP}/ownerUID"
PERMISSIVE_CLONE: Final = f"{GROUP}/permissiveClone"
CSI_CLONE_REQUEST: Final = f"{GROUP}/CSICloneRequest"
SMART_CLONE_SNAPSHOT: Final = f"{GROUP}/smartCloneSnapshot"
EVENTS_SOURCE: Final = f"{GROUP}/events.source"
EVENTS_SOURCE_KIND: Final = f"{GROUP}/events.source.kind"
CLONE_REQUEST: Final = "k8s.io/CloneRequest"
CLONE_OF: Final = "k8s.io/CloneOf"
SMART_CLONE_REQUEST: Final = "k8s.io/SmartCloneRequest"
VIRTUAL_SIZE: Final = "cdi.Kubervirt.io/virtualSize"
"""The group is misspelt in every release: the cache on a source claim must keep working across an upgrade."""
SOURCE_CAPACITY: Final = "cdi.Kubervirt.io/sourceCapacity"

# Storage classes, profiles, the installation ------------------------------------------------------------------------

DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
DEFAULT_VIRT_CLASS: Final = "storageclass.kubevirt.io/is-default-virt-class"
DEFAULT_SNAPSHOT_CLASS: Final = "snapshot.storage.kubernetes.io/is-default-class"
CLONE_STRATEGY: Final = f"{GROUP}/clone-strategy"
MINIMUM_PVC_SIZE: Final = f"{GROUP}/minimumSupportedPvcSize"
CRON_READ_WRITE_ONCE: Final = f"{GROUP}/useReadWriteOnceForDataImportCron"
CRON_SNAPSHOT_CLASS: Final = f"{GROUP}/snapshotClassForDataImportCron"
CONFIG_AUTHORITY: Final = f"{GROUP}/configAuthority"
CUSTOMIZER_IDENTIFIER: Final = f"{GROUP}/customizer-identifier"
OBJECT_TRANSFER_NAME: Final = f"{GROUP}/objectTransferName"
LAST_APPLIED_CONFIGURATION: Final = "operator.cdi.kubevirt.io/lastAppliedConfiguration"
CERT_CONFIG: Final = "operator.cdi.kubevirt.io/certConfig"
INJECT_UPLOAD_PROXY_CERT: Final = "operator.cdi.kubevirt.io/injectUploadProxyCert"
CERTIFICATE_ISSUER: Final = "auth.openshift.io/certificate-issuer"
CERTIFICATE_NOT_AFTER: Final = "auth.openshift.io/certificate-not-after"
CERTIFICATE_NOT_BEFORE: Final = "auth.openshift.io/certificate-not-before"

# DataImportCrons ----------------------------------------------------------------------------------------------------

CRON_SOURCE_DESIRED_DIGEST: Final = f"{_STORAGE}.import.sourceDesiredDigest"
CRON_IMAGE_STREAM_DOCKER_REF: Final = f"{_STORAGE}.import.imageStreamDockerRef"
CRON_NEXT_TIME: Final = f"{_STORAGE}.import.nextCronTime"
CRON_LAST_TIME: Final = f"{_STORAGE}.import.lastCronTime"
CRON_STORAGE_CLASS: Final = f"{_STORAGE}.import.storageClass"
CRON_LAST_USE_TIME: Final = f"{_STORAGE}.import.lastUseTime"
SOURCE_VOLUME_MODE: Final = f"{_STORAGE}.import.sourceVolumeMode"
ADVISED_RESTORE_SIZE: Final = f"{_STORAGE}.import.advisedRestoreSize"

# What others put on objects -----------------------------------------------------------------------------------------

SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
MIGRATED_TO: Final = "pv.kubernetes.io/migrated-to"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
MULTUS_NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"
MULTUS_DEFAULT_NETWORK: Final = "v1.multus-cni.io/default-network"
ISTIO_INJECT: Final = "sidecar.istio.io/inject"
LINKERD_INJECT: Final = "linkerd.io/inject"
INJECT_TRUSTED_AUTHORITIES: Final = "config.openshift.io/inject-trusted-cabundle"
"""A label: OpenShift fills the ConfigMap with the certificate authorities that the cluster trusts."""
OVN_OPEN_PORTS: Final = "k8s.ovn.org/open-default-ports"
RESOLVE_NAMES: Final = "alpha.image.policy.openshift.io/resolve-names"

# Finalizers ---------------------------------------------------------------------------------------------------------

IMAGE_STREAM_FINALIZER: Final = f"{GROUP}/importImageStream"
CLONE_SOURCE_FINALIZER: Final = f"{GROUP}/cloneSource"
CLONE_POPULATOR_FINALIZER: Final = f"{GROUP}/clonePopulator"
DATA_VOLUME_FINALIZER: Final = f"{GROUP}/dataVolumeFinalizer"
OBJECT_TRANSFER_FINALIZER: Final = f"{GROUP}/objectTransfer"
OPERATOR_FINALIZER: Final = "operator.cdi.kubevirt.io"

# Labels -------------------------------------------------------------------------------------------------------------

APP: Final = "app"
APP_NAME: Final = "containerized-data-importer"
COMPONENT: Final = GROUP
"""The label `cdi.kubevirt.io`; its values are the COMPONENT_ constants."""
COMPONENT_IMPORTER: Final = "importer"
COMPONENT_UPLOAD_SERVER: Final = "cdi-upload-server"
COMPONENT_CLONE_SOURCE: Final = "cdi-clone-source"
COMPONENT_SMART_CLONE: Final = "cdi-smart-clone"
COMPONENT_POPULATOR_PREP: Final = "cdi-populator-prep"
PROMETHEUS: Final = "prometheus.cdi.kubevirt.io"
HOST_ASSISTED_SOURCE: Final = f"{GROUP}/hostAssistedSourcePodCloneSource"
CLONE_UNIQUE_ID: Final = f"{_STORAGE}.clone.cloneUniqeId"
"""Misspelt on the wire."""
UPLOAD_TARGET_LABEL: Final = f"{GROUP}/uploadTarget"
SERVICE: Final = "service"
OWNED_BY_UID: Final = f"{GROUP}/OwnedByUID"
CRON: Final = f"{GROUP}/dataImportCron"
CRON_NAMESPACE: Final = f"{GROUP}/dataImportCronNs"
CRON_POLLER: Final = f"{GROUP}/dataImportCronPoller"
CRON_CLEANUP: Final = f"{GROUP}/dataImportCron.cleanup"
APPLY_STORAGE_PROFILE: Final = f"{GROUP}/applyStorageProfile"
EXCLUDE_FROM_BACKUP: Final = "velero.io/exclude-from-backup"
NO_FILLING_UP_ALERT: Final = "alerts.k8s.io/KubePersistentVolumeFillingUp"
PART_OF: Final = "app.kubernetes.io/part-of"
VERSION: Final = "app.kubernetes.io/version"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY_CONTROLLER: Final = "cdi-controller"
RECOMMENDED_COMPONENT: Final = "app.kubernetes.io/component"
RECOMMENDED_COMPONENT_STORAGE: Final = "storage"
ALLOW_CLUSTER_SERVICES: Final = "np.kubevirt.io/allow-access-cluster-services"
DEFAULT_INSTANCETYPE_LABELS: Final = (
    "instancetype.kubevirt.io/default-instancetype",
    "instancetype.kubevirt.io/default-instancetype-kind",
    "instancetype.kubevirt.io/default-preference",
    "instancetype.kubevirt.io/default-preference-kind",
)
