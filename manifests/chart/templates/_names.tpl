{{/* Labels of every object of the installation (spec 3.2). */}}
{{- define "cdi.labels" -}}
app.kubernetes.io/name: cdi
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: storage
{{- with .Values.partOf }}
app.kubernetes.io/part-of: {{ . | quote }}
{{- end }}
cdi.kubevirt.io: ""
{{- end }}

{{/* What tells the pods of one Deployment from all others; part of its selector, so it never changes. */}}
{{- define "cdi.selector" -}}
app: containerized-data-importer
cdi.kubevirt.io: {{ . }}
{{- end }}

{{- define "cdi.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* The given PriorityClass, or KubeVirt's where this cluster has it (spec 8.2). */}}
{{- define "cdi.priorityClass" -}}
{{- with .priorityClassName -}}
{{ . }}
{{- else -}}
{{- if lookup "scheduling.k8s.io/v1" "PriorityClass" "" "kubevirt-cluster-critical" -}}
kubevirt-cluster-critical
{{- end -}}
{{- end -}}
{{- end }}

{{/* What all pods of the installation have in common: `name` of the Deployment, `values` of its kind, `root`. */}}
{{- define "cdi.pod" -}}
{{- with include "cdi.priorityClass" .values }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
# One replica a node where there are several nodes, all on the same where there is one.
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "cdi.selector" .name | nindent 8 }}
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* The Pod Security standard `restricted`, and a root that cannot be written. */}}
{{- define "cdi.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* Annotations of CDIConfig, as JSON: only those that a value decides. */}}
{{- define "cdi.configAnnotations" }}
{{- $found := dict }}
{{- with .Values.transfers }}
{{- if not (kindIs "invalid" .maxConcurrent) }}
{{- $_ := set $found "cdi.kubevirt.io/maxConcurrentTransfers" (.maxConcurrent | int | toString) }}
{{- end }}
{{- if not (kindIs "invalid" .maxConcurrentPerNode) }}
{{- $_ := set $found "cdi.kubevirt.io/maxConcurrentTransfersPerNode" (.maxConcurrentPerNode | int | toString) }}
{{- end }}
{{- end }}
{{- with .Values.workers.labels }}
{{- $_ := set $found "cdi.kubevirt.io/workerLabels" (. | toJson) }}
{{- end }}
{{- with .Values.workers.annotations }}
{{- $_ := set $found "cdi.kubevirt.io/workerAnnotations" (. | toJson) }}
{{- end }}
{{- $found | toJson }}
{{- end }}
